package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nonroot is the user of the process, with the number that distroless images use.
const nonroot = 65532

// certificates are the authorities that Debian's ca-certificates trusts. They are read from
// the machine that makes the release.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// image writes an OCI image for the given platforms into the directory image of the release.
func (r release) image(platforms []platform) error {
	if len(platforms) == 0 {
		return nil
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range platforms {
		layer, err := r.layer(p)
		if err != nil {
			return fmt.Errorf("image for %s/%s: %w", p.os, p.arch, err)
		}
		img, err := r.configure(p, layer)
		if err != nil {
			return fmt.Errorf("image for %s/%s: %w", p.os, p.arch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{
			MediaType: types.OCIManifestSchema1, Platform: &v1.Platform{OS: p.os, Architecture: p.arch},
		}})
	}
	_, err := layout.Write(filepath.Join(r.out, "image"), index)
	return err
}

// configure makes an image of one layer, which runs as the image of the Dockerfile does.
func (r release) configure(p platform, layer v1.Layer) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Append(img, mutate.Addendum{Layer: layer, MediaType: types.OCILayer, History: v1.History{
		Created: v1.Time{Time: r.at}, CreatedBy: "headgate " + r.version,
	}})
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, withDefaults(img, v1.ConfigFile{
		OS: p.os, Architecture: p.arch, Created: v1.Time{Time: r.at},
		Config: v1.Config{
			User: fmt.Sprintf("%d:%d", nonroot, nonroot), WorkingDir: "/home/nonroot", Entrypoint: []string{"/headgate"},
			Env: []string{
				"PATH=/", "HOME=/home/nonroot", "SSL_CERT_FILE=" + certificates,
				"PORT=8080", // listen on all addresses: nothing outside the container reaches its loopback address
			},
			ExposedPorts: map[string]struct{}{"8080/tcp": {}},
			Labels: map[string]string{
				"org.opencontainers.image.title": "headgate", "org.opencontainers.image.version": r.version, "org.opencontainers.image.licenses": "Apache-2.0",
			},
		},
	}))
}

// withDefaults completes a configuration with what describes the layers of img.
func withDefaults(img v1.Image, c v1.ConfigFile) *v1.ConfigFile {
	if has, err := img.ConfigFile(); err == nil {
		c.RootFS, c.History = has.RootFS, has.History
	}
	return &c
}

// layer makes the file system: the binary, certificates, a user, and directories to which
// that user may write. Time zones are in the binary.
func (r release) layer(p platform) (v1.Layer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	dir := func(name string, mode int64, owner int) error {
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, Uid: owner, Gid: owner, ModTime: r.at, Format: tar.FormatPAX})
	}
	text := func(name, content string) error {
		err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), ModTime: r.at, Format: tar.FormatPAX})
		_, werr := io.WriteString(w, content)
		return errors.Join(err, werr)
	}
	err := errors.Join(
		dir("etc/", 0o755, 0), dir("etc/ssl/", 0o755, 0), dir("etc/ssl/certs/", 0o755, 0), dir("home/", 0o755, 0),
		dir("home/nonroot/", 0o700, nonroot), dir("home/nonroot/data/", 0o755, nonroot), dir("tmp/", 0o1777, 0),
		text("etc/passwd", fmt.Sprintf("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:%d:%d:nonroot:/home/nonroot:/sbin/nologin\n", nonroot, nonroot)),
		text("etc/group", fmt.Sprintf("root:x:0:\nnonroot:x:%d:\n", nonroot)),
		addFile(w, "LICENSE", &tar.Header{Name: "LICENSE", Mode: 0o644, ModTime: r.at}),
		addFile(w, certificates, &tar.Header{Name: certificates[1:], Mode: 0o644, ModTime: r.at}),
		addFile(w, r.binary(p), &tar.Header{Name: "headgate", Mode: 0o755, ModTime: r.at}),
		w.Close(),
	)
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%w (certificates: install Debian's package ca-certificates)", err)
	}
	if err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
}
