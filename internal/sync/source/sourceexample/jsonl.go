// Package sourceexample is the smallest complete kind of source: a file with one JSON
// object on each line. docs/adding-a-source.md explains it step by step. It is not part of
// the product.
package sourceexample

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/fence"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// Kind returns the kind of source for a registry.
func Kind() source.Kind { return source.Kind{Name: "jsonl", Check: check, Open: open} }

// check only looks at the definition. It opens no file.
func check(d source.Datasource) []fault.Detail {
	if d.FileURL == "" {
		return []fault.Detail{{Path: "fileUrl", Message: "is required: the name of a file in the directory that syncs may use"}}
	}
	if len(d.Options) > 0 && string(d.Options) != "{}" {
		return []fault.Detail{{Path: "options", Message: "jsonl has none"}}
	}
	return nil
}

func open(_ context.Context, d source.Datasource, env source.Env) (source.Source, error) {
	if env.Dir == nil {
		return nil, fault.New(fault.Invalid, "this deployment lets syncs use no files: sync.directory is not configured")
	}
	return &file{env: env, name: d.FileURL}, nil
}

type file struct {
	env  source.Env
	name string
}

func (f *file) Close() error  { return nil }
func (f *file) PushSize() int { return 1000 }

const maxFile = 16 << 20 // bytes; the file is read as a whole

// lines returns the lines of the file. A file that does not exist has no lines.
func (f *file) lines() ([][]byte, error) {
	in, err := f.env.OpenFile(f.name) // refuses paths out of the directory, pipes and devices
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	content, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the file %s cannot be read", f.name)
	}
	if len(content) > maxFile {
		return nil, fault.New(fault.TooLarge, "the file %s is over %d MiB", f.name, maxFile>>20)
	}
	return bytes.Split(bytes.TrimSuffix(content, []byte("\n")), []byte("\n")), nil
}

// mark is the content of Resume: the next line, and the digest of the file it refers to.
type mark struct {
	Line int    `json:"line"`
	File []byte `json:"file"`
}

type reader struct {
	mark
	lines [][]byte
	size  int
	rows  rest.Rows
}

func (f *file) Pull(_ context.Context, p source.Pull) (source.Reader, error) {
	lines, err := f.lines()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(bytes.Join(lines, []byte("\n")))
	r := &reader{mark: mark{File: sum[:]}, lines: lines, size: p.PageSize}
	var was mark
	if p.Resume != nil {
		if err := json.Unmarshal(p.Resume, &was); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the pull cannot be resumed")
		}
	}
	if bytes.Equal(was.File, r.File) { // another file has other lines: read it from the beginning
		r.Line = was.Line
	}
	return r, nil
}

func (r *reader) Next(ctx context.Context) (p source.Page, err error) {
	if err := ctx.Err(); err != nil {
		return p, err
	}
	if r.Line >= len(r.lines) {
		return p, io.EOF
	}
	for ; r.Line < len(r.lines) && len(p.Rows)+len(p.Rejects) < r.size; r.Line++ {
		line := int64(r.Line + 1)
		if len(bytes.TrimSpace(r.lines[r.Line])) == 0 {
			continue
		}
		v, err := decode.One(r.lines[r.Line])
		object, ok := v.(map[string]any)
		if err != nil || !ok { // a row that cannot be read is a reject, never an error
			p.Rejects = append(p.Rejects, source.Reject{Line: line, Reason: "is not a JSON object", Raw: string(r.lines[r.Line])})
			continue
		}
		row := r.rows.Of(object)
		row.Line = line
		p.Rows = append(p.Rows, row)
	}
	p.Done, p.Total = int64(r.Line), int64(len(r.lines))
	p.Resume, err = json.Marshal(r.mark)
	return p, err
}

func (r *reader) Close() error { return nil }

// Push writes a new file beside the old one and renames it over the old one, so that a
// reader or a crash sees one of the two and nothing in between.
func (f *file) Push(ctx context.Context, spec source.Spec, changes []source.Change) ([]source.Result, error) {
	rows, bad, err := f.byKey(spec)
	if err != nil || ctx.Err() != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	results := make([]source.Result, len(changes))
	for i, c := range changes {
		key := fmt.Sprint(c.Key)
		switch row, there := rows[key]; {
		case c.Op == source.Delete:
			delete(rows, key)
		case c.Op == source.Update && !there:
			results[i].Err = source.ErrMoved // it vanished: the next pull decides
		default:
			if row == nil {
				row = map[string]any{}
			}
			for n, k := range c.Key {
				row[spec.Key[n]] = k
			}
			for name, v := range c.Fields {
				if c.Op == source.Create || slices.Contains(c.Changed, name) {
					row[name] = v
				}
			}
			rows[key] = row
		}
	}
	if err := f.write(ctx, rows, bad); err != nil {
		return nil, err // without results, because no row was written
	}
	return results, nil
}

// byKey reads the rows by key. It also returns the lines that are no rows, because a push
// keeps them.
func (f *file) byKey(spec source.Spec) (rows map[string]map[string]any, bad [][]byte, err error) {
	lines, err := f.lines()
	rows = make(map[string]map[string]any, len(lines))
	for _, line := range lines {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		v, err := decode.One(line)
		object, ok := v.(map[string]any)
		if err != nil || !ok {
			bad = append(bad, line)
			continue
		}
		key := make([]any, len(spec.Key))
		for i, name := range spec.Key {
			key[i] = object[name]
		}
		rows[fmt.Sprint(key)] = object
	}
	return rows, bad, err
}

func (f *file) write(ctx context.Context, rows map[string]map[string]any, bad [][]byte) error {
	var b bytes.Buffer
	for _, line := range bad {
		b.Write(line)
		b.WriteByte('\n')
	}
	e := json.NewEncoder(&b)
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		if err := e.Encode(rows[key]); err != nil {
			return fault.Wrap(fault.Invalid, err, "a row cannot be written as JSON")
		}
	}
	temporary := f.name + ".new"
	if err := f.env.Dir.WriteFile(temporary, b.Bytes(), 0o600); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the file %s cannot be written", f.name)
	}
	if err := fence.Allow(ctx); err != nil { // another process may have taken the run over
		return err
	}
	return f.env.Dir.Rename(temporary, f.name)
}
