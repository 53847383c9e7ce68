package main

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// archive writes the archive of a platform: a zip for Windows, and else a compressed tar.
func (r release) archive(p platform, completions map[string]string) error {
	files := maps.Clone(completions)
	for _, name := range []string{"README.md", "CHANGELOG.md", "LICENSE"} {
		files[name] = name
	}
	files[p.executable()] = r.binary(p)
	write, extension := writeTarGz, ".tar.gz"
	if p.os == "windows" {
		write, extension = writeZip, ".zip"
	}
	f, err := os.Create(filepath.Join(r.out, r.name(p)+extension))
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	return errors.Join(write(out, files, r.name(p)+"/", p.executable(), r.at), out.Flush(), f.Close())
}

// writeTarGz writes files, which has paths by names, below the directory dir.
func writeTarGz(out io.Writer, files map[string]string, dir, executable string, at time.Time) error {
	zipped, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(zipped)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		mode := int64(0o644)
		if name == executable {
			mode = 0o755
		}
		if err := addFile(w, files[name], &tar.Header{Name: dir + name, Mode: mode, ModTime: at}); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), zipped.Close())
}

// addFile adds the file at path. The header needs no size and no format.
func addFile(w *tar.Writer, path string, h *tar.Header) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h.Typeflag, h.Size, h.Format = tar.TypeReg, info.Size(), tar.FormatPAX
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

func writeZip(out io.Writer, files map[string]string, dir, executable string, at time.Time) error {
	w := zip.NewWriter(out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &zip.FileHeader{Name: dir + name, Method: zip.Deflate, Modified: at.UTC()}
		h.SetMode(0o644)
		if name == executable {
			h.SetMode(0o755)
		}
		part, err := w.CreateHeader(h)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(files[name])
		if err != nil {
			return err
		}
		if _, err := part.Write(content); err != nil {
			return err
		}
	}
	return w.Close()
}

// checksums writes SHA256SUMS with the files of a directory, in the form that sha256sum -c
// reads. The image is left out: its files are named by their digests.
func checksums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var sums []byte
	for _, entry := range entries {
		if entry.Type() == fs.ModeDir {
			continue
		}
		f, err := os.Open(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		sum := sha256.New()
		_, err = io.Copy(sum, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		sums = fmt.Appendf(sums, "%x  %s\n", sum.Sum(nil), entry.Name())
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), sums, 0o644)
}
