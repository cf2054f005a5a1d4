package seal

// AppendWith is like AppendData with the given iv.
func (k *Key) AppendWith(dst, iv, message, aad []byte) []byte {
	return k.appendWith(dst, message, aad, func(random []byte) { copy(random, iv) })
}
