package promignis

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ignis-go/ignis"
)

// kind is the type of a metric.
type kind string

const (
	counter kind = "counter"
	gauge   kind = "gauge"
	summary kind = "summary" // a sum and a count, without quantiles
	buckets kind = "histogram"
)

// family is a metric that is read from a source of type S.
type family[S any] struct {
	name   string // without the prefix
	kind   kind
	help   string
	labels []string
	read   func(source S, e emitter)
}

// prefix is the beginning of the names of all metrics.
const prefix = "ignis_"

// described is a family with its description.
type described[S any] struct {
	family[S]
	desc *prometheus.Desc
}

// part is a source of metrics and the families that are read from it.
type part interface {
	describe(ch chan<- *prometheus.Desc)
	collect(ch chan<- prometheus.Metric)
}

// source reads its families from a snapshot.
type source[S any] struct {
	families []described[S]
	snapshot func() S
}

func newSource[S any](families []family[S], snapshot func() S) *source[S] {
	s := &source[S]{snapshot: snapshot}
	for _, f := range families {
		s.families = append(s.families, described[S]{f, prometheus.NewDesc(prefix+f.name, f.help, f.labels, nil)})
	}
	return s
}

func (s *source[S]) describe(ch chan<- *prometheus.Desc) {
	for _, f := range s.families {
		ch <- f.desc
	}
}

func (s *source[S]) collect(ch chan<- prometheus.Metric) {
	from := s.snapshot()
	for _, f := range s.families {
		f.read(from, emitter{ch, f.desc, f.kind})
	}
}

// emitter passes the samples of one family to Prometheus.
type emitter struct {
	ch   chan<- prometheus.Metric
	desc *prometheus.Desc
	kind kind
}

// add emits a sample of a counter or gauge.
func (e emitter) add(value float64, labels ...string) {
	t := prometheus.GaugeValue
	if e.kind == counter {
		t = prometheus.CounterValue
	}
	e.send(prometheus.NewConstMetric(e.desc, t, value, clean(labels)...))
}

// flag emits 1 or 0.
func (e emitter) flag(set bool, labels ...string) { e.add(float64(index(set)), labels...) }

// state emits 1 for the current state and 0 for all others.
func (e emitter) state(current string, all []string, labels ...string) {
	for _, s := range all {
		e.flag(s == current, append(labels[:len(labels):len(labels)], s)...)
	}
}

// sum emits a summary.
func (e emitter) sum(count uint64, sum float64, labels ...string) {
	e.send(prometheus.NewConstSummary(e.desc, count, sum, nil, clean(labels)...))
}

// values emits a histogram.
func (e emitter) values(h *histogram, labels ...string) {
	s := h.snapshot()
	e.send(prometheus.NewConstHistogram(e.desc, s.count, s.sum, s.buckets, clean(labels)...))
}

// distribution emits a histogram.
func (e emitter) distribution(d ignis.Distribution) {
	buckets, count := make(map[float64]uint64, len(d.Bounds)), uint64(0)
	for i, n := range d.Counts {
		count += n
		if i < len(d.Bounds) {
			buckets[float64(d.Bounds[i])] = count
		}
	}
	e.send(prometheus.NewConstHistogram(e.desc, count, float64(d.Sum), buckets))
}

func (e emitter) send(m prometheus.Metric, err error) {
	if err != nil {
		m = prometheus.NewInvalidMetric(e.desc, err) // a fault of this package; the scrape reports it
	}
	e.ch <- m
}

// clean returns labels as valid UTF-8, which Prometheus requires.
func clean(labels []string) []string {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	return labels
}
