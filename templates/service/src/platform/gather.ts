/**
 * Joins the chunks of a body while they arrive. It holds at most twice their bytes. A list of chunks would take about 200 bytes
 * more for each, and the sender decides how small they are: 1 MiB in chunks of one byte took 200 MB.
 */
export function gather() {
  let held: Buffer = Buffer.alloc(0)
  let size = 0
  return {
    /** How many bytes were added. */
    get size() {
      return size
    },
    add(chunk: Uint8Array): void {
      const needed = size + chunk.length
      // Most bodies come in one chunk, which need not be copied.
      if (size === 0) held = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      else {
        if (needed > held.length) {
          const larger = Buffer.allocUnsafeSlow(2 * needed)
          held.copy(larger, 0, 0, size)
          held = larger
        }
        held.set(chunk, size)
      }
      size = needed
    },
    /** The bytes that were added; valid until more are added. */
    bytes: (): Buffer => held.subarray(0, size),
  }
}
