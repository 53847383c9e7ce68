package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

var errReading = errors.New("the store is open for reading only")

// OpenForReading opens the store in an existing file. It creates no store and brings none
// up to date, and every write fails. Other processes may write meanwhile.
func OpenForReading(ctx context.Context, path string) (*Store, error) {
	s, err := openShared(ctx, path)
	if err != nil {
		return nil, explain(err)
	}
	return s, nil
}

func openShared(ctx context.Context, path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil { // taking the lock would create its file
		return nil, err
	}
	w := &writer{refuse: errReading}
	w.idle = sync.NewCond(&w.mu)
	s := &Store{path: path, names: newNames(), health: newHealth(), w: w}
	if s.lock, err = share(path); err != nil {
		return nil, err
	}
	if s.read, err = openReaders(path); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	if err = s.upToDate(ctx); err == nil {
		err = s.ready(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// upToDate returns an error unless the file has the tables that the queries need.
func (s *Store) upToDate(ctx context.Context) error {
	conn, err := s.read.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	version, err := versionOf(ctx, conn)
	if err == nil && version < schemaVersion {
		err = fmt.Errorf("the file has schema version %d, and reading needs %d: start Headgate with it once", version, schemaVersion)
	}
	return err
}
