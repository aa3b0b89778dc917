//! The kinds of calls that are counted apart.

shared::words! {
    /// The limit that counts a route's calls (requirements ).
    pub enum Class {
        /// Signing in.
        Login = "login",
        /// Making, scanning and confirming QR sessions.
        Qr = "qr",
        /// Asking what became of one QR session.
        QrPoll = "qr_poll",
        /// Renewing a session.
        Refresh = "refresh",
        /// Changing.
        Write = "write",
        /// Reading.
        Read = "read",
    }
}

impl Class {
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
        text.parse().map_err(|_| format!("one of {}", Self::NAMES.join(", ")))
    }
}
