package csvsource

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"cloud.google.com/go/auth/credentials"
	"golang.org/x/text/transform"

	"github.com/headgate/headgate/internal/platform/charset"
	"github.com/headgate/headgate/internal/platform/fault"
)

// stream reads the file's content as UTF-8 text.
type stream struct {
	io.Reader
	closers     []io.Closer
	raw         *counter
	size        int64 // bytes of the raw file; 0: unknown
	fingerprint string
	head        []byte // first bytes of the unpacked file, not yet decoded
	packed      bool   // the file is packed by gzip
	mode        fs.FileMode
	seen        *seen  // state of a local file when it was opened
	mediaType   string // what the server says about a file over HTTP
	charset     charset.Charset
}

func (s *stream) Close() error {
	var errs []error
	for _, c := range slices.Backward(s.closers) {
		errs = append(errs, c.Close())
	}
	s.closers = nil // a second Close does nothing
	return errors.Join(errs...)
}

// counter counts the bytes that are read, for the progress.
type counter struct {
	r io.Reader
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

const bufferSize = 256 << 10

// open opens the file, unpacks gzip and decodes the text.
func (f *file) open(ctx context.Context) (*stream, error) {
	s, err := f.openRaw(ctx)
	if err != nil {
		return nil, err
	}
	err = s.decode(f.Encoding)
	if err == nil {
		err = s.text(f)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *stream) decode(name string) error {
	s.raw = &counter{r: s.Reader}
	b := bufio.NewReaderSize(s.raw, bufferSize)
	if magic, _ := b.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(b)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "the file begins like gzip but is not valid gzip")
		}
		s.closers, s.packed = append(s.closers, z), true
		b = bufio.NewReaderSize(z, bufferSize)
	}
	head, err := b.Peek(headSize) // Peek returns fewer bytes of a shorter file
	if err != nil && !errors.Is(err, io.EOF) {
		return readError(err)
	}
	s.head = slices.Clone(head)
	var marked bool
	if s.charset, marked = charset.Marked(head); !marked {
		s.charset, _ = charset.Named(name) // the name was checked
		if name == "" {
			s.charset, _ = charset.OfType(s.mediaType) // UTF-8 if it is not known
		}
	}
	_, _ = b.Discard(len(s.charset.Mark())) // these bytes were peeked, so they are in the buffer
	s.Reader = b
	if d := s.charset.Decoder(); d != nil {
		s.Reader = transform.NewReader(b, d)
	}
	return nil
}

func (f *file) openRaw(ctx context.Context) (*stream, error) {
	switch {
	case f.path != "":
		return f.openPath()
	case f.url != "":
		return f.get(ctx, f.url, "")
	default:
		return f.openObject(ctx)
	}
}

func (f *file) openPath() (*stream, error) {
	h, err := f.env.OpenFile(f.path)
	if err != nil {
		return nil, err
	}
	info, err := h.Stat()
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	as := newSeen(info, f.env.Now)
	return &stream{
		Reader: as.reading(h), closers: []io.Closer{h}, size: info.Size(), mode: info.Mode().Perm(), seen: as,
		fingerprint: fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano()),
	}, nil
}

func (f *file) get(ctx context.Context, target, token string) (*stream, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "fileUrl is not a URL")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := f.env.HTTP.Do(req)
	if err != nil {
		err = fault.WithoutURL(err)
		if _, ok := errors.AsType[*fault.Error](err); ok {
			return nil, err
		}
		return nil, fault.Wrap(fault.Unavailable, err, "the file at %s could not be fetched", req.URL.Host)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		code := fault.Invalid
		if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
			code = fault.Unavailable
		}
		return nil, fault.New(code, "the file at %s was answered with %s", req.URL.Host, fault.Status(resp.StatusCode))
	}
	s := &stream{Reader: resp.Body, closers: []io.Closer{resp.Body}, size: max(0, resp.ContentLength), mediaType: resp.Header.Get("Content-Type")}
	if tag := resp.Header.Get("ETag"); tag != "" || resp.Header.Get("Last-Modified") != "" {
		s.fingerprint = fmt.Sprint(tag, " ", resp.Header.Get("Last-Modified"), " ", resp.ContentLength)
	}
	return s, nil
}

// openObject opens an object through Cloud Storage's XML API.
func (f *file) openObject(ctx context.Context) (*stream, error) {
	base, token := "https://storage.googleapis.com", ""
	if host := os.Getenv("STORAGE_EMULATOR_HOST"); host != "" {
		base = "http://" + strings.TrimPrefix(host, "http://")
	} else {
		creds, err := credentials.DetectDefault(&credentials.DetectOptions{
			Scopes: []string{"https://www.googleapis.com/auth/devstorage.read_only"},
		})
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "there are no Google Cloud credentials to read %s with", f.bucket)
		}
		t, err := creds.Token(ctx)
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "Google Cloud gave no token to read %s with", f.bucket)
		}
		token = t.Value
	}
	path := (&url.URL{Path: "/" + f.bucket + "/" + f.object}).EscapedPath()
	return f.get(ctx, base+path, token)
}

func readError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "the file could not be read to its end")
}
