//! What a client hides its bytes with (RFC 6455 §5.3), so that no proxy takes them for something else.

/// Four bytes that are added to the payload, over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask(pub [u8; 4]);

/// Bytes that are unmasked at once: they stay in the nearest cache until they are judged and kept.
const PIECE: usize = 4096;

/// The same for short frames, for which clearing a large buffer would take longer than using it.
const SHORT_PIECE: usize = 256;

impl Mask {
    /// Hands the plain bytes behind `masked` to `keep`, piece by piece.
    pub fn unmask<E>(self, masked: &[u8], keep: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        match masked.len() {
            ..=SHORT_PIECE => self.unmask_by::<SHORT_PIECE, E>(masked, keep),
            _ => self.unmask_by::<PIECE, E>(masked, keep),
        }
    }

    /// The mask that goes on after `bytes` of the payload.
    pub fn after(self, bytes: usize) -> Self {
        let Self(mut mask) = self;
        mask.rotate_left(bytes % 4);
        Self(mask)
    }

    fn unmask_by<const SIZE: usize, E>(
        self,
        masked: &[u8],
        mut keep: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = [0; SIZE];
        for piece in masked.chunks(SIZE) {
            let plain = &mut buffer[..piece.len()];
            plain.copy_from_slice(piece);
            self.apply(plain);
            keep(plain)?;
        }
        Ok(())
    }

    /// Sixteen bytes at a time, which the compiler turns into one instruction.
    fn apply(self, bytes: &mut [u8]) {
        let wide = u128::from_ne_bytes(std::array::from_fn(|at| self.0[at % 4]));
        let (blocks, rest) = bytes.as_chunks_mut();
        for block in blocks {
            *block = (u128::from_ne_bytes(*block) ^ wide).to_ne_bytes();
        }
        for (byte, mask) in rest.iter_mut().zip(self.0.iter().cycle()) {
            *byte ^= mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmasked(mask: Mask, masked: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        mask.unmask(masked, |piece| {
            plain.extend_from_slice(piece);
            Ok::<_, ()>(())
        })
        .unwrap();
        plain
    }

    #[test]
    fn every_byte_is_unmasked_with_its_own_byte_of_the_mask() {
        let mask = Mask([0x37, 0xfa, 0x21, 0x3d]);
        for length in [0, 1, 3, 4, 15, 16, 17, 256, 257, 4095, 4096, 4097, 9000] {
            let masked: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let plain: Vec<u8> = masked.iter().enumerate().map(|(at, byte)| byte ^ mask.0[at % 4]).collect();
            assert_eq!(unmasked(mask, &masked), plain);
        }
    }

    #[test]
    fn a_mask_goes_on_where_it_stopped() {
        let (mask, masked) = (Mask([1, 2, 4, 8]), [0x55; 40]);
        for cut in 0..=masked.len() {
            let (head, tail) = masked.split_at(cut);
            let pieces = [unmasked(mask, head), unmasked(mask.after(cut), tail)].concat();
            assert_eq!(pieces, unmasked(mask, &masked));
        }
    }
}
