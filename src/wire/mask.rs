//! The client's masking key (RFC 6455 §5.3), which keeps proxies from mistaking payload for another
//! protocol.

use super::WireError;

/// The masking key of a frame, XORed with the payload; repeated to eight bytes, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask(u64);

/// Bytes that are unmasked at once; they stay in the L1 cache until they are validated and copied.
const PIECE: usize = 4096;

/// The size of a piece for frames of at most so many bytes: zeroing a larger buffer would take
/// longer than using it.
const SHORT_PIECE: usize = 256;

impl Mask {
    /// Creates the mask from the masking key as it is on the wire.
    pub fn new(bytes: [u8; 4]) -> Self {
        Self(u64::from(u32::from_le_bytes(bytes)) * 0x1_0000_0001)
    }

    /// Unmasks `masked` and passes the plain bytes to `keep`, in pieces of at most 4096 bytes.
    ///
    /// # Errors
    /// Returns the first error of `keep`.
    pub fn unmask(
        self,
        masked: &[u8],
        keep: impl FnMut(&[u8]) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        match masked.len() {
            ..=SHORT_PIECE => self.unmask_by::<SHORT_PIECE>(masked, keep),
            _ => self.unmask_by::<PIECE>(masked, keep),
        }
    }

    /// Unmasks `masked` and appends the plain bytes to `plain`.
    pub fn unmask_onto(self, masked: &[u8], plain: &mut Vec<u8>) {
        for piece in masked.chunks(PIECE) {
            let start = plain.len();
            plain.resize(start + piece.len(), 0);
            self.unmask_into(piece, &mut plain[start..]);
        }
    }

    /// Returns the mask for the payload after its first `bytes`.
    pub fn after(self, bytes: usize) -> Self {
        Self(self.0.rotate_right(bytes as u32 % 4 * 8))
    }

    fn unmask_by<const SIZE: usize>(
        self,
        masked: &[u8],
        mut keep: impl FnMut(&[u8]) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        let mut buffer = [0; SIZE];
        for piece in masked.chunks(SIZE) {
            let plain = &mut buffer[..piece.len()];
            self.unmask_into(piece, plain);
            keep(plain)?;
        }
        Ok(())
    }

    /// Unmasks eight bytes at a time, which the compiler vectorizes.
    fn unmask_into(self, masked: &[u8], plain: &mut [u8]) {
        let ((masked, masked_rest), (plain, plain_rest)) = (masked.as_chunks(), plain.as_chunks_mut());
        for (plain, masked) in plain.iter_mut().zip(masked) {
            *plain = (u64::from_le_bytes(*masked) ^ self.0).to_le_bytes();
        }
        for ((plain, masked), mask) in plain_rest.iter_mut().zip(masked_rest).zip(self.0.to_le_bytes()) {
            *plain = masked ^ mask;
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
            Ok(())
        })
        .unwrap();
        plain
    }

    #[test]
    fn every_byte_is_unmasked_with_its_byte_of_the_masking_key() {
        let bytes = [0x37, 0xfa, 0x21, 0x3d];
        for length in [0, 1, 3, 4, 15, 16, 17, 256, 257, 4095, 4096, 4097, 9000] {
            let masked: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let plain: Vec<u8> = masked.iter().enumerate().map(|(at, byte)| byte ^ bytes[at % 4]).collect();
            assert_eq!(unmasked(Mask::new(bytes), &masked), plain);
        }
    }

    #[test]
    fn a_mask_continues_where_it_stopped() {
        let (mask, masked) = (Mask::new([1, 2, 4, 8]), [0x55; 40]);
        for cut in 0..=masked.len() {
            let (head, tail) = masked.split_at(cut);
            let pieces = [unmasked(mask, head), unmasked(mask.after(cut), tail)].concat();
            assert_eq!(pieces, unmasked(mask, &masked));
        }
    }
}
