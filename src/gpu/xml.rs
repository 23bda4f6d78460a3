//! A reader of the plain XML that `nvidia-smi` writes: elements and text, no attributes needed, no entities but the five
//! of the standard. What is not well-formed ends the reading with an error, never with a panic.

/// An element with its children and its own text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Self>,
}

/// Elements deeper than this are no output of a driver.
const DEPTH: usize = 64;

impl Element {
    /// Reads a document; the answer is a nameless element that holds the document's own.
    pub(super) fn parse(document: &str) -> Result<Self, &'static str> {
        let mut open = vec![Self::default()];
        let mut rest = document;
        while let Some(start) = rest.find('<') {
            if let Some(element) = open.last_mut() {
                element.text.push_str(&unescape(rest[..start].trim()));
            }
            let after = &rest[start + 1..];
            // A comment may hold `>`.
            let (end, skip) = match after.strip_prefix("!--") {
                Some(comment) => (comment.find("-->").ok_or("a comment does not end")? + 5, 1),
                None => (after.find('>').ok_or("a tag does not end")?, 1),
            };
            let tag = &after[..end];
            rest = after.get(end + skip..).unwrap_or_default();
            match tag.chars().next() {
                Some('?' | '!') => {}
                Some('/') => close(&mut open, tag[1..].trim())?,
                _ => {
                    let name = tag.split([' ', '\t', '\n', '\r', '/']).next().unwrap_or_default();
                    if name.is_empty() || open.len() > DEPTH {
                        return Err("an element has no name or lies too deep");
                    }
                    open.push(Self { name: name.to_owned(), ..Self::default() });
                    if tag.ends_with('/') {
                        close(&mut open, name)?;
                    }
                }
            }
        }
        match (open.len(), open.pop()) {
            (1, Some(document)) => Ok(document),
            _ => Err("an element does not end"),
        }
    }

    /// The first child of that name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The element at a path of names.
    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The text at a path, unless it is one of the driver's ways to say that it has none.
    pub(super) fn value(&self, path: &[&str]) -> Option<&str> {
        let text = &*self.at(path)?.text;
        let absent = [
            "",
            "N/A",
            "[N/A]",
            "Not Supported",
            "[Not Supported]",
            "Unknown Error",
            "Insufficient Permissions",
        ];
        (!absent.contains(&text)).then_some(text)
    }
}

fn close(open: &mut Vec<Element>, name: &str) -> Result<(), &'static str> {
    let wrong = "a tag closes what is not open";
    let element = open.pop().filter(|element| element.name == name && !name.is_empty()).ok_or(wrong)?;
    open.last_mut().ok_or(wrong)?.children.push(element);
    Ok(())
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_nest_and_broken_documents_are_refused() {
        let text = "<?xml version=\"1.0\"?><!DOCTYPE a SYSTEM \"a.dtd\"><!-- a > b --><a>\n<b id=\"1\"> x &amp; y </b><c/><b>N/A</b></a>";
        let document = Element::parse(text).unwrap();
        assert_eq!(document.value(&["a", "b"]), Some("x & y"));
        assert_eq!(document.at(&["a"]).unwrap().children.len(), 3);
        assert_eq!(document.value(&["a", "c"]), None);
        for broken in ["<a>", "<a></b>", "</a>", "<a", "<!-- x", "<>", "< >", "</>", &"<a>".repeat(100)] {
            assert!(Element::parse(broken).is_err(), "{broken}");
        }
        for length in (0..text.len()).filter(|&n| text.is_char_boundary(n)) {
            let _ = Element::parse(&text[..length]);
        }
    }
}
