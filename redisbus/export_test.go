package redisbus

// Probes returns how many probes have succeeded, starts of links included.
func (b *Bus) Probes() uint64 { return b.counts.probes.Load() }
