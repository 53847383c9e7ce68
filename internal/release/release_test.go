package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var madeAt = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// small writes the files of an archive, and returns their paths by name.
func small(t *testing.T) map[string]string {
	dir := t.TempDir()
	files := map[string]string{}
	for _, name := range []string{"headgate", "completions/bash/headgate", "LICENSE"} {
		files[name] = filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		require.NoError(t, os.WriteFile(files[name], []byte("content of "+name), 0o600))
	}
	return files
}

func TestTheBinaryIsThatOfTheImage(t *testing.T) {
	t.Parallel()
	image, err := os.ReadFile("../../Dockerfile")
	require.NoError(t, err)
	require.Contains(t, string(image), "\nRUN CGO_ENABLED=0 go build "+strings.Join(flags, " ")+` -ldflags "-s -w -X main.version=${VERSION}" `)
}

func TestATarHasTheFilesBelowOneDirectory(t *testing.T) {
	t.Parallel()
	var first, second bytes.Buffer
	files := small(t)
	require.NoError(t, writeTarGz(&first, files, "headgate_1/", "headgate", madeAt))
	require.NoError(t, writeTarGz(&second, files, "headgate_1/", "headgate", madeAt))
	require.Equal(t, first.Bytes(), second.Bytes(), "the same files must make the same archive")
	zipped, err := gzip.NewReader(&first)
	require.NoError(t, err)
	modes := map[string]int64{}
	for r := tar.NewReader(zipped); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		content, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "content of "+strings.TrimPrefix(h.Name, "headgate_1/"), string(content))
		require.True(t, h.ModTime.Equal(madeAt))
		require.Zero(t, h.Uid)
		modes[h.Name] = h.Mode
	}
	require.Equal(t, map[string]int64{"headgate_1/headgate": 0o755, "headgate_1/completions/bash/headgate": 0o644, "headgate_1/LICENSE": 0o644}, modes)
}

func TestAZipHasTheFilesBelowOneDirectory(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	require.NoError(t, writeZip(&buf, small(t), "headgate_1/", "headgate", madeAt))
	r, err := zip.NewReader(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	require.NoError(t, err)
	var names []string
	for _, f := range r.File {
		names = append(names, f.Name)
		require.True(t, f.Modified.Equal(madeAt))
		require.Equal(t, f.Name == "headgate_1/headgate", f.Mode()&0o111 != 0, f.Name)
	}
	require.Equal(t, []string{"headgate_1/LICENSE", "headgate_1/completions/bash/headgate", "headgate_1/headgate"}, names)
}

func TestChecksumsAreOfEveryFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "image"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b.zip"), []byte("b"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.tar.gz"), []byte("a"), 0o600))
	require.NoError(t, checksums(dir))
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	require.NoError(t, err)
	a, b := sha256.Sum256([]byte("a")), sha256.Sum256([]byte("b"))
	require.Equal(t, hex.EncodeToString(a[:])+"  a.tar.gz\n"+hex.EncodeToString(b[:])+"  b.zip\n", string(sums))
}

func TestWhatIsNoVersionOrIsThereAlreadyIsRefused(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"", "1.2.3", "v1.2", "v1.2.3 -X", "v01.2.3", "latest"} {
		dir := filepath.Join(t.TempDir(), "release")
		require.ErrorContains(t, run(t.Context(), []string{"-version", version, "-out", dir}), "-version")
		require.NoDirExists(t, dir)
	}
	require.ErrorIs(t, run(t.Context(), []string{"-version", "v1.2.3", "-out", t.TempDir()}), os.ErrExist)
}
