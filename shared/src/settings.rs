//! Reads the environment once, collects every fault before failing, and is its own documentation:
//! `--help` prints what the reader asked for.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use crate::secret::Secret;

/// Where values come from.
type Lookup<'a> = Box<dyn Fn(&str) -> Option<String> + 'a>;

/// The variable that was set, and its text.
type Text = (String, String);

/// A reader of variables. Every read is remembered for [`Settings::help`]; every fault for [`Settings::finish`].
pub struct Settings<'a> {
    lookup: Lookup<'a>,
    help: String,
    faults: Vec<String>,
}

impl<'a> Settings<'a> {
    /// Reads this process's environment.
    #[must_use]
    pub fn from_env() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    /// Reads from any source; an empty value counts as not set.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + 'a) -> Self {
        Self { lookup: Box::new(lookup), help: String::new(), faults: Vec::new() }
    }

    /// A variable that must be set.
    pub fn required<T: Value>(&mut self, name: &str, what: &str) -> Option<T> {
        self.describe::<T>(name, "required", what);
        let set = |found: Option<Text>| found.ok_or_else(|| format!("{name} is not set: {what}"));
        let found = self.find::<T>(name).and_then(set);
        self.parse(found)
    }

    /// A variable with a default, written as the environment would write it.
    pub fn default<T: Value>(&mut self, name: &str, default: &str, what: &str) -> Option<T> {
        self.describe::<T>(name, &format!("default {default:?}"), what);
        let or_default =
            |found: Option<Text>| found.unwrap_or_else(|| (name.to_owned(), default.to_owned()));
        let found = self.find::<T>(name).map(or_default);
        self.parse(found)
    }

    /// A variable that may be absent. The outer `Option` is `None` only when the value is bad.
    pub fn optional<T: Value>(&mut self, name: &str, what: &str) -> Option<Option<T>> {
        self.describe::<T>(name, "optional", what);
        match self.find::<T>(name).transpose() {
            None => Some(None),
            Some(found) => self.parse(found).map(Some),
        }
    }

    /// Records a fault that spans several variables.
    pub fn fault(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
    }

    /// Every variable asked for so far with its default and meaning, one block each.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.help
    }

    /// The configuration, when nothing was wrong.
    ///
    /// # Errors
    /// All faults at once, one a line.
    pub fn finish<C>(self, config: Option<C>) -> Result<C, Faults> {
        match config {
            Some(config) if self.faults.is_empty() => Ok(config),
            _ => Err(Faults(self.faults)),
        }
    }

    fn describe<T: Value>(&mut self, name: &str, kind: &str, what: &str) {
        let file = if T::SECRET { format!(", or {name}_FILE") } else { String::new() };
        let _ = writeln!(self.help, "  {name}  [{kind}{file}]\n      {what}");
    }

    fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.trim().is_empty())
    }

    /// What is set: the variable, or the file that `<NAME>_FILE` names.
    fn find<T: Value>(&self, name: &str) -> Result<Option<Text>, String> {
        let plain = self.get(name).map(|text| (name.to_owned(), text));
        let by_file = format!("{name}_FILE");
        let path = if T::SECRET { self.get(&by_file) } else { None };
        match (plain, path) {
            (plain, None) => Ok(plain),
            (Some(_), Some(_)) => Err(format!("{name} and {by_file} are both set: keep one")),
            (None, Some(path)) => match read(&path) {
                Ok(text) => Ok(Some((by_file, text))),
                Err(fault) => Err(format!("{by_file} is not valid: {fault}")),
            },
        }
    }

    fn parse<T: Value>(&mut self, found: Result<Text, String>) -> Option<T> {
        let parsed = found.and_then(|(name, text)| {
            T::parse(text.trim()).map_err(|fault| format!("{name} is not valid: {fault}"))
        });
        parsed.map_err(|fault| self.faults.push(fault)).ok()
    }
}

/// The text of a secret's file. A fault does not name the path: it may be the secret itself, set by mistake.
fn read(path: &str) -> Result<String, String> {
    let text = fs::read_to_string(path.trim())
        .map_err(|error| format!("the file that it names cannot be read: {error}"))?;
    if text.trim().is_empty() {
        return Err("the file that it names is empty".into());
    }
    Ok(text)
}

/// Everything that was wrong with the environment.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is not valid:\n  - {}", .0.join("\n  - "))]
pub struct Faults(pub Vec<String>);

/// What a variable can hold.
pub trait Value: Sized {
    /// Whether it may hold a secret, which then `<NAME>_FILE` can name the file of.
    const SECRET: bool = false;

    /// Reads the trimmed text.
    ///
    /// # Errors
    /// A short sentence saying what would be right; it never repeats the value, which may be a secret.
    fn parse(text: &str) -> Result<Self, String>;
}

impl Value for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Value for Secret<String> {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::new(text.to_owned()))
    }
}

impl Value for bool {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("write true or false".into()),
        }
    }
}

impl Value for SocketAddr {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:8080".into())
    }
}

/// An address of `http` or `https`, without query and fragment.
impl Value for Url {
    fn parse(text: &str) -> Result<Self, String> {
        let web = |url: &Self| {
            ["http", "https"].contains(&url.scheme())
                && url.query().is_none()
                && url.fragment().is_none()
        };
        Self::parse(text)
            .ok()
            .filter(web)
            .ok_or_else(|| "write a URL such as https://crm.example".into())
    }
}

impl Value for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        let fault = || {
            "write a whole number and a unit, such as 500ms, 30s, 2m or 12h, 720h at most"
                .to_owned()
        };
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(fault)?;
        let number: u64 = text[..digits].parse().map_err(|_| fault())?;
        let millis = match &text[digits..] {
            "ms" => Some(number),
            "s" => number.checked_mul(1_000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            _ => None,
        };
        millis.map(Duration::from_millis).filter(|time| *time <= LONGEST).ok_or_else(fault)
    }
}

/// Anything longer is a slip of the pen, and sums of such times could overflow.
const LONGEST: Duration = Duration::from_hours(720);

/// How long something may take; never zero, which some would write for no limit.
#[derive(Clone, Copy, Debug)]
pub struct PositiveDuration(pub Duration);

impl Value for PositiveDuration {
    fn parse(text: &str) -> Result<Self, String> {
        match Duration::parse(text)? {
            Duration::ZERO => Err("it has to be longer than nothing".into()),
            duration => Ok(Self(duration)),
        }
    }
}

/// A whole number of at least one, and of no more than any process can have of anything.
#[derive(Clone, Copy, Debug)]
pub struct Count(pub u32);

impl Value for Count {
    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(count @ 1..=100_000) => Ok(Self(count)),
            _ => Err("write a whole number from 1 to 100000".into()),
        }
    }
}

impl Value for IpNet {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "write networks such as 10.0.0.0/8 or fd00::/8".into())
    }
}

/// Values divided by commas; an empty list is written by not setting the variable.
impl<T: Value> Value for Vec<T> {
    fn parse(text: &str) -> Result<Self, String> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(T::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(pairs: &'static [(&'static str, &'static str)]) -> Settings<'static> {
        Settings::new(|name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn every_missing_and_every_bad_variable_is_named_at_once() {
        let mut settings = reader(&[("PORT", "many"), ("WAIT", "2x"), ("EMPTY", " ")]);
        let _: Option<String> = settings.required("DATABASE_URL", "where");
        let _: Option<SocketAddr> = settings.default("PORT", "127.0.0.1:1", "listen");
        let _: Option<Duration> = settings.default("WAIT", "2s", "how long");
        let _: Option<String> = settings.required("EMPTY", "something");
        let faults = settings.finish(Some(())).unwrap_err().0;
        assert_eq!(faults.len(), 4, "{faults:?}");
    }

    #[test]
    fn a_fault_never_repeats_the_value() {
        let mut settings = reader(&[("LIST", "hunter2")]);
        let _: Option<Vec<IpNet>> = settings.default("LIST", "::/0", "networks");
        assert!(!settings.finish(None::<()>).unwrap_err().to_string().contains("hunter2"));
    }

    /// Reads one required secret, of which the file has this text.
    fn from_file(text: &str, variables: &[(&str, &str)]) -> Result<Secret<String>, String> {
        let path = std::env::temp_dir().join(format!("liaison-{:032x}", rand::random::<u128>()));
        fs::write(&path, text).unwrap();
        let mut settings = Settings::new(|name| {
            let known = variables.iter().find(|(known, _)| *known == name)?.1;
            Some(known.replace("PATH", path.to_str().unwrap()))
        });
        let read = settings.required("KEY", "a key");
        let read = settings.finish(read).map_err(|faults| faults.to_string());
        fs::remove_file(&path).unwrap();
        read
    }

    #[test]
    fn a_secret_is_read_from_the_file_that_its_variable_names() {
        let read = from_file("hunter2\n", &[("KEY_FILE", "PATH")]).unwrap();
        assert_eq!(read.expose(), "hunter2");
    }

    #[test]
    fn a_secrets_file_that_is_of_no_use_is_named_by_its_variable_and_not_by_its_path() {
        for (text, variables, fault) in [
            ("x", [("KEY_FILE", "PATH.gone"), ("", "")], "KEY_FILE is not valid: the file"),
            (
                " \n",
                [("KEY_FILE", "PATH"), ("", "")],
                "KEY_FILE is not valid: the file that it names is empty",
            ),
            ("x", [("KEY_FILE", "PATH"), ("KEY", "x")], "KEY and KEY_FILE are both set"),
        ] {
            let refused = from_file(text, &variables).unwrap_err();
            assert!(refused.contains(fault), "{refused}");
            assert!(!refused.contains("/liaison-") && refused.lines().count() == 2, "{refused}");
        }
    }

    #[test]
    fn what_is_no_secret_is_read_from_no_file() {
        let mut settings = reader(&[("PORT_FILE", "/nowhere")]);
        let port: Option<Count> = settings.default("PORT", "1", "listen");
        assert!(settings.finish(port).is_ok());
    }

    #[test]
    fn durations_are_written_with_a_unit() {
        for (text, millis) in
            [("500ms", 500), ("30s", 30_000), ("2m", 120_000), ("12h", 43_200_000)]
        {
            assert_eq!(<Duration as Value>::parse(text), Ok(Duration::from_millis(millis)));
        }
        for text in
            ["", "30", "s", "-1s", "1.5s", "1d", "99999999999999999999s", "18446744073709551615h"]
        {
            assert!(<Duration as Value>::parse(text).is_err(), "{text}");
        }
    }
}
