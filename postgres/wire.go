package postgres

import (
	"encoding/binary"
	"errors"
)

// The binary format of arrays, as the server's array_send writes it: the number
// of dimensions, a flag for nulls, the element type, and for each dimension its
// length and lower bound; then each element with its length.

const (
	oidInt8 = 20
	oidInt4 = 23
)

// newArray begins an array of n elements.
func newArray(oid uint32, n int) []byte {
	b := make([]byte, 0, 20+12*n)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, oid)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	return binary.BigEndian.AppendUint32(b, 1)
}

func appendInt4(b []byte, v int32) []byte {
	b = binary.BigEndian.AppendUint32(b, 4)
	return binary.BigEndian.AppendUint32(b, uint32(v))
}

func appendInt8(b []byte, v int64) []byte {
	b = binary.BigEndian.AppendUint32(b, 8)
	return binary.BigEndian.AppendUint64(b, uint64(v))
}

var errReply = errors.New("the server's reply is not what the statement returns")

// readArray reads a one-dimensional array of int4 or int8, or null as none.
func readArray(b []byte) ([]int64, error) {
	if b == nil {
		return nil, nil
	}
	const header = 20
	if len(b) == 12 && binary.BigEndian.Uint32(b) == 0 {
		return nil, nil
	}
	if len(b) < header || binary.BigEndian.Uint32(b) != 1 {
		return nil, errReply
	}
	n, b := int(binary.BigEndian.Uint32(b[12:])), b[header:]
	if n > len(b)/8 {
		return nil, errReply
	}
	values := make([]int64, n)
	for i := range values {
		if len(b) < 4 {
			return nil, errReply
		}
		size := int(int32(binary.BigEndian.Uint32(b)))
		b = b[4:]
		switch {
		case size == 4 && len(b) >= 4:
			values[i] = int64(int32(binary.BigEndian.Uint32(b)))
		case size == 8 && len(b) >= 8:
			values[i] = int64(binary.BigEndian.Uint64(b))
		default:
			return nil, errReply
		}
		b = b[size:]
	}
	return values, nil
}

// readInt reads an int4 or int8, or null as 0.
func readInt(b []byte) (int64, error) {
	switch len(b) {
	case 0:
		return 0, nil
	case 4:
		return int64(int32(binary.BigEndian.Uint32(b))), nil
	case 8:
		return int64(binary.BigEndian.Uint64(b)), nil
	}
	return 0, errReply
}
