//! Finds the service that a request is for.
//!
//! A signed request names it in its credential scope
//! (`Credential=KEY/DATE/REGION/SERVICE/aws4_request`, in the `Authorization` header or, if
//! presigned, in the query). For an unsigned one, headers and path decide.

use super::gate;
use super::signature;
use super::sts;
use super::wire::{self, Body, header};
use crate::access::{self, Access, Caller, Question};
use crate::iam::Iam;
use crate::keys::Keys;
use crate::lambda::Lambda;
use crate::lineage::{Lineage, Working};
use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::s3::S3;
use crate::xml::{element, text};
use bytes::Bytes;
use http::header::{CONNECTION, EXPECT};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::sync::Arc;

/// In which SDKs inside a function hand on what the function was told of its chain.
const TRACE: &str = "x-amzn-trace-id";

/// Everything that answers on the port.
pub(crate) struct Services {
    pub keys: Arc<Keys>,
    pub lambda: Arc<Lambda>,
    pub s3: S3,
    pub logs: Logs,
    pub metrics: Metrics,
    pub iam: Iam,
    pub access: Access,
    pub region: String,
}

/// A service, as its credential scope names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Lambda,
    S3,
    Logs,
    Metrics,
    Sts,
    Iam,
    Unknown,
}

impl Services {
    /// Answers one request. Whatever comes in, an AWS-shaped answer goes out.
    ///
    /// `inside` is the environment that the request comes from: it says which chain of events it
    /// belongs to, and whose code asks. Elsewhere the trace header and the access key may tell.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
        inside: Option<Working>,
    ) -> Response<Body> {
        let waits_to_send = request.headers().contains_key(EXPECT);
        let mut response = self.answer_by_service(request, inside).await;
        if waits_to_send && !response.status().is_success() {
            // Refused before its body was asked for, a client does not send it; its next request
            // would be taken for the body.
            response
                .headers_mut()
                .insert(CONNECTION, http::HeaderValue::from_static("close"));
        }
        response
    }

    async fn answer_by_service(
        &self,
        request: Request<Incoming>,
        inside: Option<Working>,
    ) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let told = || header(&parts.headers, TRACE).map(Lineage::of_trace_header);
        let chain = inside
            .as_ref()
            .map(Working::lineage)
            .or_else(told)
            .unwrap_or_default();
        parts.extensions.insert(chain);
        let by_key = || self.access.caller(signature::access_key(&parts)?);
        let caller = inside.as_ref().and_then(Working::caller).or_else(by_key);
        if let Some(caller) = &caller {
            parts.extensions.insert(Arc::clone(caller));
        }
        let caller = caller.as_deref();
        if !gate::is_loopback(header(&parts.headers, "host"), &parts.uri) {
            return refused_host();
        }
        if gate::is_of_another_site(&parts.headers) {
            return refused_site();
        }
        if crate::lambda::is_location(parts.uri.path()) {
            return self.lambda.answer_location(&parts).await;
        }
        match service(&parts) {
            Service::Lambda => self.lambda.answer(parts, body).await,
            Service::S3 => {
                let response = self.s3.call(Request::from_parts(parts, body)).await;
                response.map(|body| body.map_err(Into::into).boxed_unsync())
            }
            Service::Logs => match self.whole(&parts, body, refusal).await {
                Ok(body) => {
                    match self.judge(caller, || access::of_logs(&parts, &body, &self.region)) {
                        Ok(()) => self.logs.answer(&parts, body).await.map(wire::full),
                        Err(message) => refusal(StatusCode::BAD_REQUEST, DENIED, &message),
                    }
                }
                Err(refusal) => refusal,
            },
            Service::Metrics => match self.whole(&parts, body, refusal).await {
                Ok(body) => match self.judge(caller, || access::of_metrics(&parts, &body)) {
                    Ok(()) => self.metrics.answer(&parts, &body).map(wire::full),
                    Err(message) => Metrics::refuse(&parts, &body, message).map(wire::full),
                },
                Err(refusal) => refusal,
            },
            // Everybody may ask who they are, and nothing else is here.
            Service::Sts => match self.whole(&parts, body, form_refusal).await {
                Ok(body) => sts::answer(&body, caller),
                Err(refusal) => refusal,
            },
            Service::Iam => match self.whole(&parts, body, form_refusal).await {
                Ok(body) => match self.judge(caller, || access::of_iam(&parts, &body)) {
                    Ok(()) => self.iam.answer(&body),
                    Err(message) => form_refusal(StatusCode::FORBIDDEN, "AccessDenied", &message),
                },
                Err(refusal) => refusal,
            },
            Service::Unknown => unknown(),
        }
    }
}

/// The most that a request to Logs or CloudWatch may hold; both take 1 MB of data, and JSON may
/// make it twice that.
const RECORDS_LIMIT: usize = 4 * 1024 * 1024;

/// What JSON services call a refusal for lack of a permission.
const DENIED: &str = "AccessDeniedException";

impl Services {
    /// Judges what the code of a function asks for; others may ask for anything.
    fn judge(
        &self,
        caller: Option<&Caller>,
        asked: impl FnOnce() -> Question,
    ) -> Result<(), String> {
        caller.map_or(Ok(()), |caller| self.access.judge(caller, &asked()))
    }

    /// Reads the body of a request to a service other than Lambda and S3, and checks who signed it.
    async fn whole(
        &self,
        parts: &Parts,
        body: Incoming,
        refuse: Refuse,
    ) -> Result<Bytes, Response<Body>> {
        let body = wire::read(body, RECORDS_LIMIT).await.map_err(|_| {
            let message = "The request is too large, or ended early.";
            refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                "SerializationException",
                message,
            )
        })?;
        signature::check(&self.keys, parts, &body).map_err(|unsigned| {
            let (status, name, message) = unsigned.answer();
            refuse(
                StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN),
                name,
                message,
            )
        })?;
        Ok(body)
    }
}

fn service(parts: &Parts) -> Service {
    match scope(parts) {
        Some(name) => named(name),
        None => unsigned(parts),
    }
}

/// Returns the service in the credential scope.
fn scope(parts: &Parts) -> Option<&str> {
    signature::credentials(parts).find_map(|credential| {
        let slash = if credential.contains('/') { "/" } else { "%2F" };
        credential.split(slash).nth(3)
    })
}

fn named(name: &str) -> Service {
    match name {
        "lambda" => Service::Lambda,
        "s3" | "s3express" => Service::S3,
        "logs" => Service::Logs,
        "monitoring" => Service::Metrics,
        "sts" => Service::Sts,
        "iam" => Service::Iam,
        _ => Service::Unknown,
    }
}

fn unsigned(parts: &Parts) -> Service {
    let target = header(&parts.headers, "x-amz-target").unwrap_or_default();
    let path = parts.uri.path();
    if target.starts_with("Logs_") {
        Service::Logs
    } else if target.starts_with("GraniteServiceVersion")
        || path.starts_with("/service/GraniteServiceVersion")
    {
        Service::Metrics
    } else if crate::lambda::is_lambda_path(path) {
        Service::Lambda
    } else {
        Service::S3
    }
}

fn refused_host() -> Response<Body> {
    let message = "The Host header does not name this machine. Use 127.0.0.1 or localhost.";
    refusal(StatusCode::FORBIDDEN, "AccessDeniedException", message)
}

fn refused_site() -> Response<Body> {
    let message = "A web page of another site sent this request (Origin, Sec-Fetch-Site). The \
        local cloud answers only programs of this machine and pages from a loopback name.";
    refusal(StatusCode::FORBIDDEN, "AccessDeniedException", message)
}

fn unknown() -> Response<Body> {
    refusal(
        StatusCode::NOT_FOUND,
        "UnknownOperationException",
        "The local cloud has no such service.",
    )
}

type Refuse = fn(StatusCode, &'static str, &str) -> Response<Body>;

/// Returns an error as the query protocol has it: other names in another document.
fn form_refusal(status: StatusCode, name: &'static str, message: &str) -> Response<Body> {
    let name = match name {
        "InvalidSignatureException" => "SignatureDoesNotMatch",
        "UnrecognizedClientException" => "InvalidClientTokenId",
        name => name.strip_suffix("Exception").unwrap_or(name),
    };
    let error = element(
        "Error",
        [
            text("Type", "Sender"),
            text("Code", name),
            text("Message", message),
        ],
    );
    wire::with_type(
        status,
        "text/xml",
        element("ErrorResponse", [error]).document(None),
    )
}

/// Returns an error in the form that every client of a JSON service reads.
fn refusal(status: StatusCode, name: &'static str, message: &str) -> Response<Body> {
    let body = serde_json::json!({ "__type": name, "message": message });
    let mut response = wire::json(status, body.to_string());
    response
        .headers_mut()
        .insert("x-amzn-errortype", http::HeaderValue::from_static(name));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service_of(request: http::request::Builder) -> Service {
        service(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn the_credential_scope_names_the_service() {
        let signed = |service: &str| {
            let value = format!(
                "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
            );
            service_of(Request::get("/anything").header("authorization", value))
        };
        assert_eq!(signed("lambda"), Service::Lambda);
        assert_eq!(signed("s3"), Service::S3);
        assert_eq!(signed("logs"), Service::Logs);
        assert_eq!(signed("monitoring"), Service::Metrics);
        assert_eq!(signed("dynamodb"), Service::Unknown);
    }

    #[test]
    fn a_presigned_query_names_the_service() {
        let escaped =
            Request::get("/b/k?X-Amz-Credential=AKID%2F20260101%2Fus-east-1%2Fs3%2Faws4_request");
        assert_eq!(service_of(escaped), Service::S3);
        let plain = Request::get("/b/k?X-Amz-Credential=AKID/20260101/us-east-1/s3/aws4_request");
        assert_eq!(service_of(plain), Service::S3);
    }

    #[test]
    fn an_unsigned_request_is_told_by_header_and_path() {
        assert_eq!(
            service_of(Request::get("/2015-03-31/functions")),
            Service::Lambda
        );
        assert_eq!(service_of(Request::get("/bucket/key")), Service::S3);
        assert_eq!(
            service_of(Request::post("/").header("x-amz-target", "Logs_20140328.CreateLogGroup")),
            Service::Logs
        );
    }

    #[test]
    fn whatever_stands_in_the_authorization_or_the_query_is_signed_or_refused() {
        let words = &[
            "AWS4-HMAC-SHA256 ",
            "Credential=",
            "/us-east-1/s3/aws4_request",
            ",",
            ";",
            "=",
            "SignedHeaders=",
            "Signature=",
            "&",
            "%2F",
            "%",
            "X-Amz-Credential=",
            "X-Amz-Date=20260101T000000Z",
            "X-Amz-Expires=",
            "-1",
            "99999999999",
            "host",
        ];
        let keys = Keys::closed([("AKIA", "secret")]);
        crate::hostile::Parser {
            name: "signature",
            words,
            longest: 64 << 10,
        }
        .hold(|input| {
            let text = String::from_utf8_lossy(input);
            let text: String = text
                .chars()
                .filter(|c| c.is_ascii_graphic() || *c == ' ')
                .collect();
            let query: String = text
                .chars()
                .filter(|c| !" #<>\"{}|\\^`".contains(*c))
                .collect();
            let request = Request::post(format!("/?{query}")).header("authorization", &text);
            // What is no request at all never gets here.
            let Ok(request) = request.header("x-amz-date", "20260101T000000Z").body(()) else {
                return;
            };
            let parts = request.into_parts().0;
            service(&parts);
            let _ = signature::check(&keys, &parts, b"{}");
        });
    }
}
