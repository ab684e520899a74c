//! CBOR as rpc-v2-cbor uses it. What comes in may be anything: depth and size are bounded.

use minicbor::data::{Tag, Type};
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder};
use serde_json::{Map, Value};

use super::{QueryFault, Reply};

/// No request nests deeper.
const MAX_DEPTH: usize = 32;

/// Reads a request. A tagged time (tag 1) becomes its seconds.
pub fn read(body: &[u8]) -> Result<Value, QueryFault> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let mut decoder = Decoder::new(body);
    value(&mut decoder, MAX_DEPTH).map_err(|error| QueryFault {
        code: "SerializationException",
        message: format!("cannot read the CBOR body: {error}"),
    })
}

fn value(decoder: &mut Decoder<'_>, depth: usize) -> Result<Value, Error> {
    let depth = depth
        .checked_sub(1)
        .ok_or_else(|| Error::message("nested too deeply"))?;
    Ok(match decoder.datatype()? {
        Type::Bool => Value::from(decoder.bool()?),
        Type::Null | Type::Undefined => {
            decoder.skip()?;
            Value::Null
        }
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Value::from(decoder.u64()?),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => Value::from(decoder.i64()?),
        Type::F16 | Type::F32 | Type::F64 => number(decoder.f64()?),
        Type::String | Type::StringIndef => {
            let pieces: Result<String, Error> = decoder.str_iter()?.collect();
            Value::from(pieces?)
        }
        Type::Array | Type::ArrayIndef => array(decoder, depth)?,
        Type::Map | Type::MapIndef => map(decoder, depth)?,
        Type::Tag => {
            decoder.tag()?;
            value(decoder, depth)?
        }
        other => return Err(Error::type_mismatch(other)),
    })
}

/// JSON has no infinity; CloudWatch refuses it anyway, and sees it as text.
fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value)
        .map_or_else(|| Value::from(value.to_string()), Value::Number)
}

fn array(decoder: &mut Decoder<'_>, depth: usize) -> Result<Value, Error> {
    let length = decoder.array()?;
    let mut items = Vec::new();
    while !ended(decoder, length, items.len())? {
        items.push(value(decoder, depth)?);
    }
    Ok(Value::Array(items))
}

fn map(decoder: &mut Decoder<'_>, depth: usize) -> Result<Value, Error> {
    let length = decoder.map()?;
    let (mut fields, mut read) = (Map::new(), 0);
    while !ended(decoder, length, read)? {
        let Value::String(name) = value(decoder, depth)? else {
            return Err(Error::message("a key that is not text"));
        };
        fields.insert(name, value(decoder, depth)?);
        read += 1;
    }
    Ok(Value::Object(fields))
}

fn ended(decoder: &mut Decoder<'_>, length: Option<u64>, read: usize) -> Result<bool, Error> {
    match length {
        Some(length) => Ok(read as u64 >= length),
        None if decoder.datatype()? == Type::Break => {
            decoder.skip()?;
            Ok(true)
        }
        None => Ok(false),
    }
}

/// Writes a reply.
pub fn write(reply: &Reply) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encode(&mut encoder, reply).expect("writing to memory does not fail");
    encoder.into_writer()
}

fn encode(
    to: &mut Encoder<Vec<u8>>,
    reply: &Reply,
) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
    match reply {
        Reply::Text(text) => drop(to.str(text)?),
        Reply::Number(number) => drop(to.f64(*number)?),
        Reply::Time(seconds) => drop(to.tag(Tag::new(1))?.i64(*seconds)?),
        Reply::List(items) => {
            to.array(items.len() as u64)?;
            items.iter().try_for_each(|item| encode(to, item))?;
        }
        Reply::Map(fields) => {
            to.map(fields.len() as u64)?;
            for (name, value) in fields {
                encode(to.str(name)?, value)?;
            }
        }
        Reply::Entries(entries) => {
            to.map(entries.len() as u64)?;
            for (name, value) in entries {
                encode(to.str(name)?, value)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let reply = Reply::Map(vec![
            ("Id", Reply::Text("m1".into())),
            ("Times", Reply::List(vec![Reply::Time(1_700_000_000)])),
            ("Values", Reply::List(vec![Reply::Number(1.5)])),
        ]);
        assert_eq!(
            read(&write(&reply)),
            Ok(json!({ "Id": "m1", "Times": [1_700_000_000], "Values": [1.5] }))
        );
    }

    #[test]
    fn indefinite_lengths_are_read() {
        // {_ "a": [_ 1, -2], "b": "xy" in two pieces }
        let body = [
            0xBF, 0x61, b'a', 0x9F, 0x01, 0x21, 0xFF, 0x61, b'b', 0x7F, 0x61, b'x', 0x61, b'y',
            0xFF, 0xFF,
        ];
        assert_eq!(read(&body), Ok(json!({ "a": [1, -2], "b": "xy" })));
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(read(&[0x81; 10_000]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&body);
        }
    }
}
