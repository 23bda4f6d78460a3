//! As much of the protobuf encoding as an ONNX file needs: fields of numbers, bytes and messages.

/// A message under construction.
#[derive(Debug, Clone, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// A whole number.
    pub(super) fn integer(&mut self, field: u64, value: i64) {
        self.varint(field << 3);
        // Negative numbers have ten bytes: the encoding takes them for unsigned ones of 64 bits.
        self.varint(value.cast_unsigned());
    }

    /// A number in single precision.
    pub(super) fn float(&mut self, field: u64, value: f32) {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    /// Text, bytes, or a message that is finished.
    pub(super) fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.begin(field, bytes.len() as u64);
        self.0.extend(bytes);
    }

    /// A message inside.
    pub(super) fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }

    /// The head of a field whose so many bytes are written elsewhere, right behind it.
    pub(super) fn begin(&mut self, field: u64, length: u64) {
        self.varint(field << 3 | 2);
        self.varint(length);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    /// What was written so far.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What a field holds.
    #[derive(Debug, Clone, PartialEq)]
    pub(in crate::engines::onnx) enum Value<'b> {
        Integer(u64),
        Float(f32),
        Bytes(&'b [u8]),
    }

    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for place in 0.. {
            let (byte, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(byte & 0x7F) << (7 * place);
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }

    /// The fields of a message, in order; anything that is none is a panic.
    pub(in crate::engines::onnx) fn fields(mut bytes: &[u8]) -> Vec<(u64, Value<'_>)> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let value = match key & 7 {
                0 => Value::Integer(varint(&mut bytes)),
                2 => {
                    let length = usize::try_from(varint(&mut bytes)).unwrap();
                    let (inside, rest) = bytes.split_at(length);
                    bytes = rest;
                    Value::Bytes(inside)
                }
                5 => {
                    let (number, rest) = bytes.split_first_chunk::<4>().unwrap();
                    bytes = rest;
                    Value::Float(f32::from_le_bytes(*number))
                }
                wire => panic!("wire type {wire}"),
            };
            fields.push((key >> 3, value));
        }
        fields
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut inner = Message::default();
        inner.integer(1, -1);
        let mut message = Message::default();
        message.integer(3, 300);
        message.float(2, 0.5);
        message.message(20, &inner);
        message.bytes(4, &[7; 200]);
        assert_eq!(
            fields(message.as_bytes()),
            [
                (3, Value::Integer(300)),
                (2, Value::Float(0.5)),
                (20, Value::Bytes(inner.as_bytes())),
                (4, Value::Bytes(&[7; 200]))
            ]
        );
        assert_eq!(fields(inner.as_bytes()), [(1, Value::Integer(u64::MAX))]);
    }
}
