package ignis

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/google/uuid"
)

// newClientID returns a UUID v4 from a cryptographic source whose last 32 bits
// are a checksum of the others.
//
// A client may not join a room named after another client, or it would hear
// what is meant for that one. The checksum lets every instance know a client id
// when it sees one, also that of a client elsewhere, while rooms may still be
// named by UUIDs: one in four billion passes for a client id. 90 random bits
// remain, and an id that is taken is not used.
func newClientID() string {
	id := uuid.New()
	binary.BigEndian.PutUint32(id[12:], checksum(id))
	return id.String()
}

// isClientID reports whether name looks like an id from newClientID.
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
