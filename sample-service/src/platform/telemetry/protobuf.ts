/** Most batches of spans fit. */
const initialBytes = 256 * 1024
/** A rare long message may need a larger buffer, which is given up after the message. */
const keptBytes = 4 * 1024 * 1024
/** The buffer into which a message is written; `taken` copies the message out of it. */
let bytes = Buffer.allocUnsafeSlow(initialBytes)

/** The type of a field's value on the wire, in the low bits of its tag: https://protobuf.dev/programming-guides/encoding */
const wire = { varint: 0, fixed64: 1, length: 2, fixed32: 5 } as const

/** Writes one message of protobuf. There is one at a time: a second one would overwrite the first. */
export class Protobuf {
  #at = 0

  /** Starts a message that is the field number `field` of this one. @returns for `end` */
  begin(field: number): number {
    this.#varint((field << 3) | wire.length)
    // One byte for the length: most messages have less than 128 bytes.
    return ++this.#at
  }

  /** Ends the message that `begin` started. */
  end(start: number): void {
    const length = this.#at - start
    if (length < 128) {
      bytes[start - 1] = length
      return
    }
    const more = sizeOf(length) - 1
    this.#reserve(more)
    bytes.copyWithin(start + more, start, this.#at)
    this.#at = start - 1
    this.#varint(length)
    this.#at += length
  }

  text(field: number, text: string): void {
    this.#varint((field << 3) | wire.length)
    // Short texts are most often ASCII: calling Buffer's own method costs more than writing them here.
    if (text.length < 128) {
      this.#reserve(text.length)
      if (this.#ascii(text)) return
    }
    const length = Buffer.byteLength(text)
    this.#varint(length)
    this.#reserve(length)
    bytes.write(text, this.#at)
    this.#at += length
  }

  /** An integer of at most 64 bits. */
  number(field: number, value: number): void {
    this.#varint((field << 3) | wire.varint)
    if (value >= 0) this.#varint(value)
    else this.#negative(value)
  }

  /** Appends fields that are encoded already. */
  append(fields: Uint8Array): void {
    this.#reserve(fields.length)
    bytes.set(fields, this.#at)
    this.#at += fields.length
  }

  double(field: number, value: number): void {
    this.#varint((field << 3) | wire.fixed64)
    this.#reserve(8)
    this.#at = bytes.writeDoubleLE(value, this.#at)
  }

  fixed32(field: number, value: number): void {
    this.#varint((field << 3) | wire.fixed32)
    this.#uint32(value)
  }

  /**
   * Seconds and nanoseconds, as 64 bits of nanoseconds, which wrap for a time before 1970. A billion is 1953125 times 512: that
   * way all products are exact.
   */
  time(field: number, [seconds, nanoseconds]: readonly [number, number]): void {
    this.#varint((field << 3) | wire.fixed64)
    const of512 = seconds * 1_953_125
    const low = (of512 % 2 ** 23) * 512 + nanoseconds
    this.#uint32(low >>> 0)
    this.#uint32((Math.floor(of512 / 2 ** 23) + Math.floor(low / 2 ** 32)) >>> 0)
  }

  /** Bytes, given in hexadecimal digits. */
  hex(field: number, digits: string): void {
    this.#varint((field << 3) | wire.length)
    const length = digits.length >> 1
    this.#varint(length)
    this.#reserve(length)
    const to = bytes
    const start = this.#at
    for (let i = 0; i < length; i++)
      to[start + i] = (digitOf(digits, 2 * i) << 4) | digitOf(digits, 2 * i + 1)
    this.#at = start + length
  }

  /** Returns a copy of the message. Call it once. */
  taken(): Uint8Array {
    const message = Buffer.from(bytes.subarray(0, this.#at))
    if (bytes.length > keptBytes) bytes = Buffer.allocUnsafeSlow(initialBytes)
    return message
  }

  #ascii(text: string): boolean {
    const to = bytes
    const start = this.#at + 1
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 127) return false
      to[start + i] = code
    }
    to[start - 1] = text.length
    this.#at = start + text.length
    return true
  }

  #varint(value: number): void {
    this.#reserve(10)
    let rest = value
    // Almost all are below 128.
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes[this.#at++] = (rest % 128) | 128
    bytes[this.#at++] = rest
  }

  /** As its two's complement of 64 bits. */
  #negative(value: number): void {
    this.#reserve(10)
    let rest = BigInt.asUintN(64, BigInt(value))
    for (; rest > 127n; rest >>= 7n) bytes[this.#at++] = Number(rest & 127n) | 128
    bytes[this.#at++] = Number(rest)
  }

  #uint32(value: number): void {
    this.#reserve(4)
    this.#at = bytes.writeUInt32LE(value, this.#at)
  }

  /** Makes room for `more` bytes, and those of a length. */
  #reserve(more: number): void {
    const needed = this.#at + more + 10
    if (needed <= bytes.length) return
    const larger = Buffer.allocUnsafeSlow(2 * needed)
    bytes.copy(larger, 0, 0, this.#at)
    bytes = larger
  }
}

/** How many bytes `value` takes as a varint. */
function sizeOf(value: number): number {
  return value < 128 ? 1 : 1 + sizeOf(Math.floor(value / 128))
}

/** The value of a hexadecimal digit. Some propagators let capitals through. */
function digitOf(digits: string, at: number): number {
  const code = digits.charCodeAt(at)
  return code < 58 ? code - 48 : (code | 32) - 87
}
