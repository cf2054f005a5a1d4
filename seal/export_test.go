package seal

// AppendWith is AppendData with an iv that is not random.
func (k *Key) AppendWith(dst, iv, message, aad []byte) []byte {
	return k.appendWith(dst, message, aad, func(random []byte) { copy(random, iv) })
}
