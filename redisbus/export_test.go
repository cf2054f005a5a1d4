package redisbus

// Probes returns the number of successful probes, including those of new links.
func (b *Bus) Probes() uint64 { return b.counts.probes.Load() }
