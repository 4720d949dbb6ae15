//! What a connection may do: the state machine from its first byte to its last.
//!
//! ```text
//! accepted ─ PLAINTEXT ─────────────────────────────▶ Authenticated
//!     └───── SASL listener (not in this version) ──▶ Unauthenticated ─ success ─▶ Authenticated
//! ```
//! Before authentication exactly ApiVersions, SaslHandshake and SaslAuthenticate exist, and frames
//! are small (invariant S1).

use weir_protocol::api_key::ApiKey;

/// Largest frame before authentication, in bytes, as Kafka's `sasl.server.max.receive.size`.
pub const UNAUTHENTICATED_FRAME_MAX: usize = 512 * 1024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionState {
    Unauthenticated,
    Authenticated { principal: &'static str },
}

impl SessionState {
    /// A connection on a PLAINTEXT listener: Kafka's anonymous principal.
    pub fn plaintext() -> SessionState {
        SessionState::Authenticated {
            principal: "User:ANONYMOUS",
        }
    }

    /// Whether a request of this API may be served now.
    pub fn admits(&self, api: ApiKey) -> bool {
        match self {
            SessionState::Authenticated { .. } => true,
            SessionState::Unauthenticated => matches!(
                api,
                ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate
            ),
        }
    }

    /// Largest frame in bytes; `configured` is `socket.request.max.bytes`.
    pub fn frame_len_max(&self, configured: usize) -> usize {
        match self {
            SessionState::Authenticated { .. } => configured,
            SessionState::Unauthenticated => configured.min(UNAUTHENTICATED_FRAME_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_authentication_exactly_three_apis_exist_and_frames_are_small() {
        let state = SessionState::Unauthenticated;
        let admitted: Vec<_> = ApiKey::all().filter(|api| state.admits(*api)).collect();
        assert_eq!(
            admitted,
            [
                ApiKey::SaslHandshake,
                ApiKey::ApiVersions,
                ApiKey::SaslAuthenticate
            ]
        );
        assert_eq!(state.frame_len_max(100 << 20), UNAUTHENTICATED_FRAME_MAX);
        assert_eq!(state.frame_len_max(1000), 1000);
    }

    #[test]
    fn a_plaintext_connection_may_do_everything() {
        let state = SessionState::plaintext();
        assert!(ApiKey::all().all(|api| state.admits(api)));
        assert_eq!(state.frame_len_max(100 << 20), 100 << 20);
    }
}
