// Package bucket stores files in a bucket of Cloud Storage, by its JSON API. The client
// library would make the program a third larger, for two requests.
//
// A file is stored whole, or not at all: readers see the old content or the new one. Put
// replaces the version that it saw, and no other, so that of two calls at the same time one
// fails with a conflict. The caller may repeat a call of unknown outcome.
package bucket

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/headgate/headgate/internal/platform/fault"
)

// Scope is the OAuth scope that a token needs.
const Scope = "https://www.googleapis.com/auth/devstorage.read_write"

const (
	scheme    = "gs://"
	mostReply = 64 << 10
)

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$`)

// Is reports whether a text names a place in Cloud Storage, rather than a directory.
func Is(text string) bool { return strings.HasPrefix(text, scheme) }

// Bucket is a place in Cloud Storage.
type Bucket struct {
	Name, Prefix string // Prefix is "" or a path without a slash at its ends
	HTTP         *http.Client
	// Token returns an access token; nil: none is sent, as to an emulator.
	Token func(ctx context.Context) (string, error)
	Base  string // of the API; "": Google's
}

// Parse reads gs://NAME/PREFIX, where /PREFIX may be missing.
func Parse(text string) (Bucket, error) {
	name, prefix, _ := strings.Cut(strings.TrimPrefix(text, scheme), "/")
	prefix = strings.TrimSuffix(prefix, "/")
	if !Is(text) || !validName.MatchString(name) || prefix != "" && path.Join("/", prefix) != "/"+prefix {
		return Bucket{}, errors.New("must be gs://BUCKET or gs://BUCKET/PREFIX")
	}
	return Bucket{Name: name, Prefix: prefix}, nil
}

// String returns the place as Parse reads it.
func (b *Bucket) String() string { return scheme + path.Join(b.Name, b.Prefix) }

// object is the part of the API's answer about an object that Put needs.
type object struct {
	Generation string `json:"generation"`
	CRC32C     string `json:"crc32c"` // in base 64, its first byte the highest
}

func checksum(content []byte) string {
	sum := crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// Put stores a file in place of one that has the name. Conflict: somebody else stored one
// meanwhile.
func (b *Bucket) Put(ctx context.Context, name string, content []byte) error {
	key := path.Join(b.Prefix, name)
	was, status, err := b.call(ctx, http.MethodGet, "/storage/v1/b/"+b.Name+"/o/"+url.PathEscape(key)+"?fields=generation,crc32c", nil)
	if err != nil {
		return err
	}
	switch status {
	case http.StatusOK:
	case http.StatusNotFound:
		was.Generation = "0" // no version may be there
	default:
		return b.refused(name, status)
	}
	q := url.Values{"uploadType": {"media"}, "name": {key}, "ifGenerationMatch": {was.Generation}, "fields": {"generation,crc32c"}}
	now, status, err := b.call(ctx, http.MethodPost, "/upload/storage/v1/b/"+b.Name+"/o?"+q.Encode(), content)
	switch {
	case err != nil:
		return err
	case status == http.StatusPreconditionFailed:
		return fault.New(fault.Conflict, "somebody else stored %s at the same time: send the file again", name)
	case status != http.StatusOK:
		return b.refused(name, status)
	}
	if now.CRC32C != checksum(content) {
		return fault.New(fault.Unavailable, "Cloud Storage has another content of %s than it was sent: send the file again", name)
	}
	return nil
}

func (b *Bucket) refused(name string, status int) error {
	code, why := fault.Invalid, ""
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		why = ": the service account needs the role Storage Object User there"
	case status == http.StatusNotFound:
		why = ": there is no such bucket"
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		code = fault.Unavailable
	}
	return fault.New(code, "%s cannot be stored in %s, which answered with %s%s", name, b, fault.Status(status), why)
}

// call sends a request. Its answer is decoded if its status is 200.
func (b *Bucket) call(ctx context.Context, method, target string, content []byte) (o object, status int, err error) {
	base := b.Base
	if base == "" {
		base = "https://storage.googleapis.com"
	}
	req, err := http.NewRequestWithContext(ctx, method, base+target, bytes.NewReader(content))
	if err != nil {
		return o, 0, fmt.Errorf("bucket: %w", err)
	}
	if content != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	if b.Token != nil {
		token, err := b.Token(ctx)
		if err != nil {
			return o, 0, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := b.HTTP.Do(req)
	if err != nil {
		return o, 0, fault.Wrap(fault.Unavailable, fault.WithoutURL(err), "Cloud Storage cannot be reached")
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostReply))
	if err == nil && resp.StatusCode == http.StatusOK {
		err = json.Unmarshal(body, &o)
	}
	if err != nil {
		return o, 0, fault.Wrap(fault.Unavailable, err, "the answer of Cloud Storage cannot be read")
	}
	return o, resp.StatusCode, nil
}
