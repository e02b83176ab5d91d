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

// appendArray appends an array with a value for each of the ops that are wanted.
func appendArray(b []byte, oid uint32, ops []*op, wanted func(*op) bool, value func(*op) int64) []byte {
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, oid)
	length := len(b)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, 1)
	n := uint32(0)
	for _, o := range ops {
		if !wanted(o) {
			continue
		}
		n++
		if oid == oidInt4 {
			b = binary.BigEndian.AppendUint32(b, 4)
			b = binary.BigEndian.AppendUint32(b, uint32(value(o)))
		} else {
			b = binary.BigEndian.AppendUint32(b, 8)
			b = binary.BigEndian.AppendUint64(b, uint64(value(o)))
		}
	}
	binary.BigEndian.PutUint32(b[length:], n)
	return b
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
