//! Parts of answers, on their way to a stream.

use super::connection::{Held, Owner};
use super::parts::Part;
use crate::delivery::framing::Framing;
use crate::delivery::keys::ConnectionKey;
use crate::delivery::shard::Shard;
use crate::delivery::sink::Sink;
use crate::h2::{ErrorCode, StreamKey};
use bytes::Buf as _;
use tokio::sync::mpsc::error::TryRecvError;

/// What came of a part.
enum Written {
    /// The next one may follow.
    All,
    /// It waits for room.
    Not,
    /// The stream is over.
    Ended,
}

impl Shard {
    /// Writes what is there of an answer, as far as there is room.
    pub(super) fn answer(&mut self, key: ConnectionKey, stream: StreamKey) {
        loop {
            let connection = &mut self.connections.slab[key.index()];
            let Some(asked) = connection.asked_mut(stream) else {
                return;
            };
            let part = match asked.next.take() {
                Some(part) => Ok(part),
                None => asked.parts.try_recv(),
            };
            let written = match part {
                Ok(part) => self.write_part(key, stream, part),
                Err(TryRecvError::Empty) => return,
                // There is no more of it, and no end.
                Err(TryRecvError::Disconnected) => {
                    connection.protocol.reset(stream, ErrorCode::Internal);
                    Written::Ended
                }
            };
            self.connections.has_output(key);
            match written {
                Written::All => {}
                Written::Not => return,
                Written::Ended => return self.settle_idleness(key),
            }
        }
    }

    fn write_part(&mut self, key: ConnectionKey, stream: StreamKey, part: Part) -> Written {
        let connections = &mut self.connections;
        let protocol = &mut connections.slab[key.index()].protocol;
        match part {
            // Heads have no window: output that is not read has a bound all the same.
            Part::Head(..) | Part::Join(..) | Part::Trailers(_) if !protocol.takes_output() => {
                protocol.wait_for_output(stream);
                self.keep(key, stream, part)
            }
            Part::Head(head, ends) => {
                let owner = protocol.send_head(stream, &head, ends);
                self.hold_answer(key, owner);
                if ends { Written::Ended } else { Written::All }
            }
            Part::Data(mut piece) => {
                let written = connections.write(key, stream, &piece);
                piece.advance(written);
                match piece.is_empty() {
                    true => Written::All,
                    false => self.keep(key, stream, Part::Data(piece)),
                }
            }
            Part::End => {
                let owner = protocol.end(stream);
                self.hold_answer(key, owner);
                Written::Ended
            }
            Part::Trailers(trailers) => {
                let owner = protocol.send_trailers(stream, &trailers);
                self.hold_answer(key, owner);
                Written::Ended
            }
            Part::Join(head, joining) => {
                protocol.send_head(stream, &head, false);
                let sink = Sink::Http2 {
                    connection: key,
                    stream,
                };
                let client = self.clients.next_ref();
                protocol.set_owner(stream, Owner::Client(client.key));
                self.join(sink, &[], Framing::Plain, *joining, client);
                Written::Ended
            }
        }
    }

    fn keep(&mut self, key: ConnectionKey, stream: StreamKey, part: Part) -> Written {
        if let Some(asked) = self.connections.slab[key.index()].asked_mut(stream) {
            asked.next = Some(part);
        }
        Written::Not
    }

    /// Who answered learns that the response has left when it has.
    fn hold_answer(&mut self, key: ConnectionKey, owner: Option<Owner>) {
        if let Some(Owner::Asked(asked)) = owner {
            let held = Held::Response { _parts: asked };
            self.connections.slab[key.index()].held.push(held);
        }
    }
}
