//! The documents that S3, IAM and CloudWatch's query protocol answer with: elements that hold text
//! or elements. Knows no service.

use std::io;

use quick_xml::events::{BytesDecl, BytesText, Event};
use quick_xml::{Reader, Writer};

/// An element. Its text is escaped where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    name: String,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Text(String),
    Elements(Vec<Element>),
}

/// Makes an element that holds text.
pub fn text(name: impl Into<String>, text: impl Into<String>) -> Element {
    Element {
        name: name.into(),
        content: Content::Text(text.into()),
    }
}

/// Makes an element that holds elements, or nothing.
pub fn element(name: impl Into<String>, elements: impl IntoIterator<Item = Element>) -> Element {
    Element {
        name: name.into(),
        content: Content::Elements(elements.into_iter().collect()),
    }
}

impl Element {
    /// Returns the document of this element, without a declaration.
    pub fn document(&self, namespace: Option<&str>) -> String {
        self.written(false, namespace)
    }

    /// Returns the document of this element after `<?xml version="1.0" encoding="UTF-8"?>`.
    pub fn declared(&self) -> String {
        self.written(true, None)
    }

    fn written(&self, declared: bool, namespace: Option<&str>) -> String {
        let mut writer = Writer::new(Vec::new());
        let written = || -> io::Result<Vec<u8>> {
            if declared {
                writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
                writer.write_event(Event::Text(BytesText::from_escaped("\n")))?;
            }
            self.write(&mut writer, namespace)?;
            Ok(writer.into_inner())
        };
        // Memory takes whatever is written, and names and text are strings.
        written()
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>, namespace: Option<&str>) -> io::Result<()> {
        let start = writer.create_element(self.name.as_str());
        let start = start.with_attributes(namespace.map(|namespace| ("xmlns", namespace)));
        match &self.content {
            Content::Text(text) => start.write_text_content(BytesText::new(text))?,
            Content::Elements(elements) if elements.is_empty() => start.write_empty()?,
            Content::Elements(elements) => start.write_inner_content(|writer| {
                elements
                    .iter()
                    .try_for_each(|element| element.write(writer, None))
            })?,
        };
        Ok(())
    }
}

/// Reads a document of one level: an element whose elements hold text. Returns each one's name and
/// text, in order; `None` for any other document.
pub fn fields(document: &str) -> Option<Vec<(String, String)>> {
    let mut reader = Reader::from_str(document);
    let (mut fields, mut inside) = (Vec::new(), false);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) if inside => {
                let name = String::from_utf8(start.name().as_ref().to_vec()).ok()?;
                let text = reader.read_text(start.name()).ok()?;
                let text = text.decode().ok()?;
                fields.push((name, quick_xml::escape::unescape(&text).ok()?.into_owned()));
            }
            Event::Start(_) => inside = true,
            Event::Empty(empty) if inside => {
                fields.push((
                    String::from_utf8(empty.name().as_ref().to_vec()).ok()?,
                    String::new(),
                ));
            }
            Event::End(_) | Event::Eof => return inside.then_some(fields),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_once_and_read_back() {
        let odd = "a<b> & \"c\" 'd' é";
        let error = element(
            "Error",
            [
                text("Code", "X"),
                text("Message", odd),
                element("Empty", []),
            ],
        );
        let document = error.declared();
        assert!(
            document
                .starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>X</Code>"),
            "{document}"
        );
        assert!(
            document.ends_with("<Empty/></Error>") && document.contains("a&lt;b&gt; &amp; "),
            "{document}"
        );
        let expected = [("Code", "X"), ("Message", odd), ("Empty", "")];
        assert_eq!(
            fields(&document).unwrap(),
            expected.map(|(name, text)| (name.to_owned(), text.to_owned()))
        );
        assert_eq!(
            element("A", [text("B", "")]).document(Some("urn:x")),
            "<A xmlns=\"urn:x\"><B></B></A>"
        );
    }

    #[test]
    fn what_is_no_document_of_one_level_has_no_fields() {
        for document in ["", "text", "<a", "<a><b>1</c></a>"] {
            assert_eq!(fields(document), None, "{document}");
        }
    }
}
