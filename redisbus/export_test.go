package redisbus

// Probes returns the number of successful probes, including starts of links.
func (b *Bus) Probes() uint64 { return b.counts.probes.Load() }
