package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ignis-go/ignis/internal/herd"
)

// results is what results.json has: every run as it was, so that tables and
// plot can be made again.
type results struct {
	Machine machine `json:"machine"`
	Runs    []run   `json:"runs"`
}

// run is one measurement of one system.
type run struct {
	Workload string    `json:"workload"`
	Kind     string    `json:"kind,omitempty"` // of flood: a row in the workload's table
	System   string    `json:"system"`
	Session  time.Time `json:"session"` // when the program was started that made it
	Round    int       `json:"round"`
	Version  string    `json:"version"`
	Settings string    `json:"settings"`         // the workload's sizes
	Machine  machine   `json:"machine,omitzero"` // if it is not that of most runs
	outcome
}

// outcome is what a workload has measured.
type outcome struct {
	Values    map[string]float64 `json:"values"` // by the key of the metric, in SI units
	Lost      int64              `json:"lost"`
	Reordered int64              `json:"reordered"`
	Repeated  int64              `json:"repeated"`
	Closed    int64              `json:"closed"` // clients that the server has closed
	HerdBusy  float64            `json:"herd_busy"`
	Foreign   float64            `json:"foreign"`
}

// tooBusy is the share of the herd's core above which it may be what is measured.
const tooBusy = 0.9

// machine is where it was measured.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Redis  string `json:"redis"`
}

func (r *results) path(dir string) string { return filepath.Join(dir, "results.json") }

// load reads the results of earlier runs; none is no error.
func (r *results) load(dir string) error {
	text, err := os.ReadFile(r.path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, r)
}

func (r *results) save(dir string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	// Never half a file: a run may be interrupted.
	next := r.path(dir) + ".new"
	if err := os.WriteFile(next, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(next, r.path(dir))
}

// elsewhere returns the first workload of which systems have runs of another machine
// that would stay beside new ones of m, or "".
func (r *results) elsewhere(m machine, workloads, systems []string) string {
	for _, n := range r.Runs {
		if slices.Contains(workloads, n.Workload) && !slices.Contains(systems, n.System) && r.machineOf(n) != m {
			return n.Workload
		}
	}
	return ""
}

// machineOf returns where a run was made.
func (r *results) machineOf(n run) machine {
	if n.Machine != (machine{}) {
		return n.Machine
	}
	return r.Machine
}

// add takes a run in. The first of a session takes the place of the older ones
// of the same workload, kind and system, unless those are to be kept, and of all
// that were made on another machine: figures of two machines are not compared.
func (r *results) add(n run, keep bool) {
	r.Runs = slices.DeleteFunc(r.Runs, func(o run) bool {
		return o.Workload == n.Workload && r.machineOf(o) != r.machineOf(n)
	})
	if !keep {
		r.Runs = slices.DeleteFunc(r.Runs, func(o run) bool {
			return o.Workload == n.Workload && o.Kind == n.Kind && o.System == n.System && !o.Session.Equal(n.Session)
		})
	}
	r.Runs = append(r.Runs, n)
}

// of returns the runs of one workload and, unless it is empty, one system.
func (r *results) of(workload, system string) []run {
	var list []run
	for _, n := range r.Runs {
		if n.Workload == workload && (system == "" || n.System == system) {
			list = append(list, n)
		}
	}
	return list
}

// figure is a metric over several runs.
type figure struct {
	median, low, high float64
	runs              int
}

func figureOf(runs []run, key string) (f figure, ok bool) {
	var all []float64
	for _, n := range runs {
		if v, has := n.Values[key]; has {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return f, false
	}
	slices.Sort(all)
	mid := len(all) / 2
	f = figure{median: all[mid], low: all[0], high: all[len(all)-1], runs: len(all)}
	if len(all)%2 == 0 {
		f.median = (all[mid-1] + all[mid]) / 2
	}
	return f, true
}

// distinct returns each value of f over the runs once, in order.
func distinct(runs []run, f func(run) string) []string {
	var list []string
	for _, n := range runs {
		if v := f(n); !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

// thisMachine describes the machine that this runs on.
func thisMachine(redis string) machine {
	m := machine{Cores: runtime.NumCPU(), Redis: redis}
	text, _ := os.ReadFile("/proc/cpuinfo") // what is missing stays empty
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	if kb, err := herd.Keyed("/proc/meminfo", "MemTotal:"); err == nil {
		m.Memory = bytesText(kb * 1024)
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = "Linux " + unix.ByteSliceToString(u.Release[:])
	}
	return m
}
