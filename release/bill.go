package main

import (
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
)

// bill writes the bill of materials of a program: the modules that it is built from, in the form
// of CycloneDX. They are those of "go version -m".
func (r *release) bill(t target, binary string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	sum, err := checksum(binary)
	if err != nil {
		return err
	}
	main := component(cyclonedx.ComponentTypeApplication, info.Main.Path, "v"+r.version)
	main.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: sum}}
	var components []cyclonedx.Component
	var refs []string
	add := func(c cyclonedx.Component) {
		components = append(components, c)
		refs = append(refs, c.BOMRef)
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		add(moduleComponent(m))
	}
	// The standard library has vulnerabilities, too, and scanners look for them under this name.
	add(component(cyclonedx.ComponentTypeLibrary, "std", strings.TrimPrefix(info.GoVersion, "go")))

	bom := cyclonedx.NewBOM()
	bom.SerialNumber = "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceOID, []byte(sum)).String()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: r.time.Format(time.RFC3339), Component: &main}
	bom.Components = &components
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}

	name := r.name(t) + ".cdx.json"
	f, err := os.Create(filepath.Join(r.out, name))
	if err != nil {
		return err
	}
	// An older version of the format than the newest, which not all scanners read.
	err = cyclonedx.NewBOMEncoder(f, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cyclonedx.SpecVersion1_6)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return r.wrote(name)
}

// moduleComponent describes a module, with its hash in go.sum.
func moduleComponent(m *debug.Module) cyclonedx.Component {
	c := component(cyclonedx.ComponentTypeLibrary, m.Path, m.Version)
	if sum, ok := strings.CutPrefix(m.Sum, "h1:"); ok {
		c.Properties = &[]cyclonedx.Property{{Name: "go.sum", Value: "h1:" + sum}}
	}
	return c
}

// component describes a module as a package URL, the name by which databases of vulnerabilities
// know it.
func component(kind cyclonedx.ComponentType, path, version string) cyclonedx.Component {
	url := "pkg:golang/" + path + "@" + escapeVersion(version)
	return cyclonedx.Component{BOMRef: url, Type: kind, Name: path, Version: version, PackageURL: url}
}

// escapeVersion escapes the characters of a version that have a meaning in a package URL.
func escapeVersion(version string) string {
	var b strings.Builder
	for _, c := range []byte(version) {
		if c == '+' || c == '%' {
			b.WriteString("%" + strings.ToUpper(hex.EncodeToString([]byte{c})))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
