//! The one call of STS that people make before anything else: who am I?

use super::wire::{self, Body};
use crate::ACCOUNT_ID;
use crate::access::Caller;
use http::{Response, StatusCode};

/// Answers `GetCallerIdentity`; everything else is not here.
pub(crate) fn answer(body: &[u8], caller: Option<&Caller>) -> Response<Body> {
    let action = form_urlencoded::parse(body)
        .find(|(name, _)| name == "Action")
        .map(|(_, value)| value.into_owned());
    let request_id = uuid::Uuid::new_v4();
    let (status, document) = if action.as_deref() == Some("GetCallerIdentity") {
        let arn = caller.map_or_else(
            || format!("arn:aws:iam::{ACCOUNT_ID}:root"),
            Caller::session_arn,
        );
        let identity = format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>{arn}</Arn><UserId>{ACCOUNT_ID}</UserId><Account>{ACCOUNT_ID}</Account>\
             </GetCallerIdentityResult><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>\
             </GetCallerIdentityResponse>"
        );
        (StatusCode::OK, identity)
    } else {
        let error = format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>InvalidAction</Code><Message>The local cloud knows GetCallerIdentity only.</Message></Error>\
             <RequestId>{request_id}</RequestId></ErrorResponse>"
        );
        (StatusCode::BAD_REQUEST, error)
    };
    wire::with_type(status, "text/xml", document)
}
