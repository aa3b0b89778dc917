//! What somebody computed, read as bytes: in the encoding that its header wants, or in one that it does not.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Scheme;
use super::mistake::Mistake;
use super::search::Candidate;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// All ways to read it; its scheme's name before it is no mistake.
pub fn readings(computed: &str, scheme: Scheme) -> Vec<Candidate<Vec<u8>>> {
    let text = computed.trim();
    let text = ["v1,", "v1=", "sha256="]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text);
    let standard = scheme != Scheme::Body;
    let wrong = |bad: bool, mistake| bad.then_some(mistake);
    let mut all = Vec::new();
    if let Some(bytes) = unhex(text) {
        let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
        let mistake = if standard {
            Some(Mistake::HexForBase64)
        } else {
            wrong(upper, Mistake::UpperCaseHex)
        };
        all.push(Candidate::right(bytes).and(mistake));
    }
    let decoded = BASE64.decode(text).or_else(|_| BASE64_URL.decode(text)).ok();
    if let Some(bytes) = decoded {
        if let Some(inner) = std::str::from_utf8(&bytes).ok().and_then(unhex) {
            all.push(Candidate::wrong(inner, Mistake::Base64OfHex));
        }
        let mistake = if standard {
            wrong(STANDARD.decode(text).is_err(), Mistake::Base64Variant)
        } else {
            Some(Mistake::Base64ForHex)
        };
        all.push(Candidate::right(bytes).and(mistake));
    }
    all
}

/// The bytes of a hexadecimal text of either case.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Vec<u8> = text.as_bytes().iter().map(digit).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// What lenient decoders, such as Node's, make of a secret whose prefix was left in.
pub fn with_prefix(text: &str) -> Option<Vec<u8>> {
    let bits = text.replace('-', "+").replace('_', "/");
    let bits = bits.trim_end_matches('=');
    let whole = if bits.len() % 4 == 1 { bits.get(..bits.len() - 1)? } else { bits };
    let config = LENIENT.with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&alphabet::STANDARD, config).decode(whole).ok()
}
