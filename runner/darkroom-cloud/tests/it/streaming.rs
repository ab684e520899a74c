//! `InvokeWithResponseStream` with a runtime that streams: the caller has each piece while the
//! handler still runs.

use crate::lambda::{ROLE, Stage};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    FunctionCode, InvokeWithResponseStreamCompleteEvent as Complete,
    InvokeWithResponseStreamResponseEvent as Piece, LogType, ResponseStreamingInvocationType,
    Runtime,
};
use std::io::{Cursor, Write as _};

/// A runtime in bash: takes events, opens a chunked answer, and leaves its middle to `answer`.
const BOOTSTRAP: &str = r#"#!/bin/bash
api=${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API#*:}
piece() { printf '%x\r\n%s\r\n' "${#1}" "$1" >&3; }
while :; do
  exec 3<>/dev/tcp/$api
  printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n' >&3
  id=$(tr -d '\r' <&3 | grep -i '^lambda-runtime-aws-request-id:' | cut -d' ' -f2)
  exec 3<>/dev/tcp/$api
  printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: api\r\nConnection: close\r\n' "$id" >&3
  printf 'Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n' >&3
  printf 'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n' >&3
  ANSWER
  cat <&3 >/dev/null
done
"#;

async fn function(stage: &Stage, answer: &str) {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(
        "bootstrap",
        zip::write::SimpleFileOptions::default().unix_permissions(0o755),
    )
    .unwrap();
    zip.write_all(BOOTSTRAP.replace("ANSWER", answer).as_bytes())
        .unwrap();
    let code = FunctionCode::builder()
        .zip_file(Blob::new(zip.finish().unwrap().into_inner()))
        .build();
    let create = stage
        .lambda
        .create_function()
        .function_name("f")
        .runtime(Runtime::Providedal2023)
        .handler("-");
    Box::pin(
        create
            .role(ROLE)
            .memory_size(512)
            .timeout(3)
            .code(code)
            .send(),
    )
    .await
    .unwrap();
}

/// Returns the pieces as they came, and how it ended.
async fn streamed(stage: &Stage) -> (Vec<String>, Complete) {
    let invoke = stage
        .lambda
        .invoke_with_response_stream()
        .function_name("f")
        .log_type(LogType::Tail);
    let invoke = invoke.invocation_type(ResponseStreamingInvocationType::RequestResponse);
    let mut answer = invoke.send().await.unwrap();
    let mut pieces = Vec::new();
    while let Some(event) = answer.event_stream.recv().await.unwrap() {
        match event {
            Piece::PayloadChunk(chunk) => {
                pieces.push(String::from_utf8(chunk.payload.unwrap().into_inner()).unwrap());
            }
            Piece::InvokeComplete(complete) => return (pieces, complete),
            other => panic!("{other:?}"),
        }
    }
    panic!("the stream ended without InvokeComplete after {pieces:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_is_with_the_caller_while_the_handler_goes_on() {
    let stage = Stage::new().await;
    // The handler never comes to an end by itself: whoever waited for its end would see no piece.
    function(&stage, "piece first; sleep infinity").await;
    let (pieces, complete) = streamed(&stage).await;
    assert_eq!(pieces, ["first"]);
    assert_eq!(complete.error_code.as_deref(), Some("Unhandled"));
    assert!(complete.error_details.unwrap().contains("Sandbox.Timedout"));
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_come_in_order_and_plain_callers_get_them_as_one() {
    let stage = Stage::new().await;
    function(
        &stage,
        r#"for n in {1..200}; do piece "$n,"; done; printf '0\r\n\r\n' >&3"#,
    )
    .await;
    let all = (1..=200)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(",")
        + ",";
    for _ in 0..2 {
        let (pieces, complete) = streamed(&stage).await;
        assert_eq!(pieces.concat(), all);
        assert_eq!(complete.error_code, None);
        assert!(complete.log_result.is_some());
    }
    let plain = stage
        .lambda
        .invoke()
        .function_name("f")
        .send()
        .await
        .unwrap();
    assert_eq!(plain.payload.unwrap().as_ref(), all.as_bytes());
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_half_way_says_so_after_its_pieces() {
    let stage = Stage::new().await;
    // {"errorType":"Half"} in base64.
    let trailers = r"printf '0\r\nLambda-Runtime-Function-Error-Type: Half\r\nLambda-Runtime-Function-Error-Body: eyJlcnJvclR5cGUiOiJIYWxmIn0=\r\n\r\n' >&3";
    function(&stage, &format!("piece half; {trailers}")).await;
    let (pieces, complete) = streamed(&stage).await;
    assert_eq!(pieces, ["half"]);
    assert_eq!(complete.error_code.as_deref(), Some("Unhandled"));
    assert_eq!(
        complete.error_details.as_deref(),
        Some(r#"{"errorType":"Half"}"#)
    );
    stage.cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_answer_may_be_longer_than_six_megabytes_and_its_caller_may_hang_up() {
    let stage = Stage::new().await;
    let long = r#"long=$(printf '%01000000d' 7); for n in {1..8}; do piece "$long"; done; printf '0\r\n\r\n' >&3"#;
    function(&stage, long).await;
    let invoke = stage
        .lambda
        .invoke_with_response_stream()
        .function_name("f");
    let mut answer = invoke.send().await.unwrap();
    answer.event_stream.recv().await.unwrap();
    drop(answer);
    let (pieces, complete) = streamed(&stage).await;
    assert_eq!(pieces.iter().map(String::len).sum::<usize>(), 8_000_000);
    assert_eq!(complete.error_code, None);
    stage.cloud.stop().await;
}
