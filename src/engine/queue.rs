//! What waits for a transport: a pointer to each packet.

use std::collections::VecDeque;

use super::frame::Frame;

/// The packets that wait for a transport.
#[derive(Default)]
pub struct Queue {
    frames: VecDeque<Frame>,
    bytes: usize,
}

impl Queue {
    pub(super) fn push(&mut self, frame: Frame) {
        self.bytes += frame.size();
        self.frames.push_back(frame);
    }

    /// Puts a packet before all others.
    pub(super) fn push_first(&mut self, frame: Frame) {
        self.bytes += frame.size();
        self.frames.push_front(frame);
    }

    /// The first packet, if any.
    pub fn front(&self) -> Option<&Frame> {
        self.frames.front()
    }

    /// Takes the first packet. The buffer of an empty queue is given back.
    pub fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front();
        match &frame {
            Some(frame) => self.bytes -= frame.size(),
            None => self.frames = VecDeque::new(),
        }
        frame
    }

    /// Takes packets of `most` bytes together, and the first one in any case.
    pub fn take(&mut self, most: usize) -> Vec<Frame> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.front()
            && (taken.is_empty() || bytes + next.size() <= most)
        {
            bytes += next.size();
            taken.extend(self.pop());
        }
        if self.is_empty() {
            self.pop(); // gives the buffer back
        }
        taken
    }

    /// Bytes of the waiting packets.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of waiting packets.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}
