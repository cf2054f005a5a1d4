package ignis

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/google/uuid"
)

// newClientID returns a random UUID v4 whose last 32 bits are a checksum of the others.
//
// A client must not join a room named by the ID of another client, because it would
// receive the messages to that client. The checksum lets every instance recognize client
// IDs, even those of other instances, while rooms may still be named by other UUIDs: only
// one in four billion looks like a client ID. 90 random bits remain, and IDs in use are
// not assigned again.
func newClientID() string {
	id := uuid.New()
	binary.BigEndian.PutUint32(id[12:], checksum(id))
	return id.String()
}

// isClientID reports whether name looks like an ID from newClientID.
func isClientID(name string) bool {
	if len(name) != 36 {
		return false
	}
	id, err := uuid.Parse(name)
	return err == nil && binary.BigEndian.Uint32(id[12:]) == checksum(id)
}

func checksum(id uuid.UUID) uint32 {
	return crc32.Checksum(id[:12], castagnoli)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
