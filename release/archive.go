package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

// archive writes a .tar.gz, or for Windows a .zip, with the program and the documents in a folder.
func (r *release) archive(t target, binary string, documents []document) error {
	text, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	folder := r.name(t)
	name, pack := folder+".tar.gz", writeTar
	if t.os == "windows" {
		name, pack = folder+".zip", writeZip
	}
	files := append([]document{{filepath.Base(binary), text}}, documents...)
	for i := range files {
		files[i].name = folder + "/" + files[i].name
	}
	f, err := os.Create(filepath.Join(r.out, name))
	if err != nil {
		return err
	}
	if err := errors.Join(pack(f, files, r.time), f.Close()); err != nil {
		return err
	}
	return r.wrote(name)
}

// name returns the name of the files for a target, without an extension.
func (r *release) name(t target) string { return program + "_" + r.version + "_" + t.os + "_" + t.arch }

// mode returns the mode of a file in an archive, of which the first is the program.
func mode(i int) int64 {
	if i == 0 {
		return 0o755
	}
	return 0o644
}

// writeTar writes a .tar.gz that does not depend on the machine.
func writeTar(w io.Writer, files []document, at time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(z)
	for i, f := range files {
		header := &tar.Header{Name: f.name, Mode: mode(i), Size: int64(len(f.text)), ModTime: at, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(f.text); err != nil {
			return err
		}
	}
	return errors.Join(archive.Close(), z.Close())
}

// writeZip writes a .zip that does not depend on the machine.
func writeZip(w io.Writer, files []document, at time.Time) error {
	archive := zip.NewWriter(w)
	for i, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at}
		header.SetMode(os.FileMode(mode(i)))
		file, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := file.Write(f.text); err != nil {
			return err
		}
	}
	return archive.Close()
}
