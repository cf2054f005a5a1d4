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

// results is the content of results.json: all runs, from which the tables and the plot are generated.
type results struct {
	Machine machine `json:"machine"`
	Runs    []run   `json:"runs"`
}

// run is a measurement of a system.
type run struct {
	Workload string    `json:"workload"`
	Kind     string    `json:"kind,omitempty"` // kind of flood
	System   string    `json:"system"`
	Session  time.Time `json:"session"` // when bench was started
	Round    int       `json:"round"`
	Version  string    `json:"version"`
	Settings string    `json:"settings"`         // sizes of the workload
	Machine  machine   `json:"machine,omitzero"` // set if it differs from results.Machine
	outcome
}

// outcome is the result of a workload.
type outcome struct {
	Values    map[string]float64 `json:"values"` // in SI units, by the key of the metric
	Lost      int64              `json:"lost"`
	Reordered int64              `json:"reordered"`
	Repeated  int64              `json:"repeated"`
	Closed    int64              `json:"closed"` // clients closed by the server
	HerdBusy  float64            `json:"herd_busy"`
	Foreign   float64            `json:"foreign"`
}

// tooBusy is the share of the herd's core above which the herd may limit the result.
const tooBusy = 0.9

// machine describes the machine of a measurement.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Redis  string `json:"redis"`
}

func (r *results) path(dir string) string { return filepath.Join(dir, "results.json") }

// load reads the results of earlier runs. It is a no-op if there are none.
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
	// Replace the file atomically, because a run may be interrupted.
	next := r.path(dir) + ".new"
	if err := os.WriteFile(next, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(next, r.path(dir))
}

// elsewhere returns a workload, out of the given ones, that would mix runs of different machines if only
// the given systems were measured on m. If there is none, it returns "".
func (r *results) elsewhere(m machine, workloads, systems []string) string {
	for _, n := range r.Runs {
		if slices.Contains(workloads, n.Workload) && !slices.Contains(systems, n.System) && r.machineOf(n) != m {
			return n.Workload
		}
	}
	return ""
}

// machineOf returns the machine of a run.
func (r *results) machineOf(n run) machine {
	if n.Machine != (machine{}) {
		return n.Machine
	}
	return r.Machine
}

// add adds a run. It replaces the runs of earlier sessions with the same workload, kind and system,
// unless keep is true. It also removes the workload's runs on other machines, because figures of
// different machines cannot be compared.
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

// of returns the runs of one workload with one system, or with all systems if system is empty.
func (r *results) of(workload, system string) []run {
	var list []run
	for _, n := range r.Runs {
		if n.Workload == workload && (system == "" || n.System == system) {
			list = append(list, n)
		}
	}
	return list
}

// figure summarizes a metric over several runs.
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

// distinct returns the distinct values of f for the runs, in order.
func distinct(runs []run, f func(run) string) []string {
	var list []string
	for _, n := range runs {
		if v := f(n); !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

// thisMachine describes the local machine.
func thisMachine(redis string) machine {
	m := machine{Cores: runtime.NumCPU(), Redis: redis}
	text, _ := os.ReadFile("/proc/cpuinfo") // missing values are left empty
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
