//! The kinds of calls that are counted apart.

/// The limit that counts a route's calls (requirements ).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Signing in.
    Login,
    /// Making, scanning and confirming QR sessions.
    Qr,
    /// Asking what became of one QR session.
    QrPoll,
    /// Renewing a session.
    Refresh,
    /// Changing.
    Write,
    /// Reading.
    Read,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 6] =
        [Self::Login, Self::Qr, Self::QrPoll, Self::Refresh, Self::Write, Self::Read];

    /// The name in headers, documentation and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Qr => "qr",
            Self::QrPoll => "qr_poll",
            Self::Refresh => "refresh",
            Self::Write => "write",
            Self::Read => "read",
        }
    }

    /// Whether it counts somebody who is known, and can have a limit of its own; the others count before that.
    #[must_use]
    pub fn is_of_callers(self) -> bool {
        matches!(self, Self::Qr | Self::Write | Self::Read)
    }

    /// Reads [`Class::as_str`].
    ///
    /// # Errors
    /// The names that there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|class| class.as_str() == text);
        found.ok_or_else(|| format!("one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}
