package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/run"
	"github.com/headgate/headgate/internal/sync/source"
)

const (
	// sampleRows is about how many rows are read to learn the columns.
	sampleRows = 50
	// sampleTime bounds the look at a source: a person waits for it.
	sampleTime = 30 * time.Second
)

// Look lists the columns of one datatype of a source, as one page of its rows shows them.
type Look struct {
	Datatype string   `json:"datatype"`
	Columns  []Column `json:"columns"`
	Rows     int      `json:"rows"`
	Rejected int      `json:"rejected,omitempty"`
	Error    string   `json:"error,omitempty"`
}

// Column is a column that rows have.
type Column struct {
	Name string `json:"name"`
	// Types are those of the values, by the names that a mapping has for them. There is
	// none if all values are empty, and there are several if rows differ.
	Types []string `json:"types"`
}

// Columns connects to the source of a stored sync, and returns the columns of each of its
// datatypes. NotFound. What fails at the source is in the result.
func (s *Service) Columns(ctx context.Context, id string) ([]Look, error) {
	d, err := s.o.Definitions.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.look(ctx, &d.Sync), nil
}

// ColumnsOf is Columns for a definition that need not be stored. Credentials that it shows
// redacted are those of the stored sync of its id. Invalid with all faults.
func (s *Service) ColumnsOf(ctx context.Context, def *definition.Sync) ([]Look, error) {
	if err := s.o.Definitions.Complete(ctx, def); err != nil {
		return nil, err
	}
	return s.look(ctx, def), nil
}

// Look is Columns for a definition that is complete as it is. It stores nothing, and reads no
// definition.
func (s *Service) Look(ctx context.Context, def *definition.Sync) []Look { return s.look(ctx, def) }

func (s *Service) look(ctx context.Context, def *definition.Sync) []Look {
	ctx, cancel := context.WithTimeout(ctx, sampleTime)
	defer cancel()
	looks := []Look{}
	src, err := s.o.Kinds[def.Datasource.Type].Open(ctx, def.Datasource, s.o.Env)
	if err == nil {
		defer func() {
			if err := src.Close(); err != nil {
				s.o.Log.Warn("a data source that was looked at could not be closed", "syncId", def.ID, "error", err)
			}
		}()
	}
	for _, datatype := range def.Datatypes(s.o.Kinds) {
		one := Look{Datatype: datatype, Columns: []Column{}}
		failed := err
		if failed == nil {
			failed = s.sample(ctx, src, def, &one)
		}
		if failed != nil {
			one.Error = s.reason(def, failed)
		}
		looks = append(looks, one)
	}
	return looks
}

// sample reads the first page of the datatype.
func (s *Service) sample(ctx context.Context, src source.Source, def *definition.Sync, into *Look) error {
	m, err := def.Mapper(s.o.Kinds, into.Datatype)
	if err != nil {
		return err
	}
	reader, err := src.Pull(ctx, source.Pull{Spec: m.Spec(), PageSize: sampleRows})
	if err != nil {
		return err
	}
	defer reader.Close()
	page, err := reader.Next(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	into.Rows, into.Rejected = len(page.Rows), len(page.Rejects)
	at := make(map[string]int)
	for _, row := range page.Rows {
		for i, name := range row.Columns.Names() {
			n, known := at[name]
			if !known {
				n = len(into.Columns)
				at[name], into.Columns = n, append(into.Columns, Column{Name: name, Types: []string{}})
			}
			if i >= len(row.Values) {
				continue
			}
			if t := typeOf(row.Values[i]); t != "" && !slices.Contains(into.Columns[n].Types, t) {
				into.Columns[n].Types = append(into.Columns[n].Types, t)
			}
		}
	}
	return nil
}

// typeOf returns the name that a mapping has for the value's type; "" for no value.
func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return ""
	case bool:
		return "bool"
	case int64:
		return "integer"
	case float64, json.Number:
		return "number"
	case string:
		return "string"
	case time.Time:
		return "time"
	}
	return "json"
}

// reason returns what a person may know of an error of the source, and logs it.
func (s *Service) reason(def *definition.Sync, err error) string {
	s.o.Log.Info("a look at a data source failed", "syncId", def.ID, "error", err)
	return run.Explain(err)
}
