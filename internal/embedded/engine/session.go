package engine

import (
	"sync"
	"time"
)

// sessionsMost bounds how many sessions are kept at once.
const sessionsMost = 64

// sessions are connections that outlive their request, by the name the client
// gave them.
type sessions struct {
	mu   sync.Mutex
	open map[string]*session
}

type session struct {
	c      *connection
	busy   bool
	expiry *time.Timer
}

// connection returns the connection of a request and what to do with it
// afterwards: a fresh one is closed, one of a session is kept.
func (s *server) connection(q *request) (*connection, func(), error) {
	if q.session == "" {
		c, err := s.store.connect()
		if err != nil {
			return nil, nil, err
		}
		return c, c.close, nil
	}
	return s.sessions.take(q, s.store.connect)
}

func (all *sessions) take(q *request, connect func() (*connection, error)) (*connection, func(), error) {
	all.mu.Lock()
	defer all.mu.Unlock()
	kept, ok := all.open[q.session]
	switch {
	case ok && kept.busy:
		return nil, nil, refuse(codeSessionIsLocked, "Session is locked by a concurrent client")
	case ok:
		kept.expiry.Stop()
	case q.sessionCheck:
		return nil, nil, refuse(codeUnknownSession, "Session not found")
	case len(all.open) >= sessionsMost:
		return nil, nil, refuse(codeTooManyQueries, "There are already %d sessions", sessionsMost)
	default:
		c, err := connect()
		if err != nil {
			return nil, nil, err
		}
		kept = &session{c: c}
		if all.open == nil {
			all.open = map[string]*session{}
		}
		all.open[q.session] = kept
	}
	kept.busy = true
	return kept.c, func() { all.release(q, kept) }, nil
}

// release keeps a session for its time, then closes it unless it was taken
// again.
func (all *sessions) release(q *request, kept *session) {
	all.mu.Lock()
	defer all.mu.Unlock()
	kept.busy = false
	var expiry *time.Timer
	expiry = time.AfterFunc(q.sessionTimeout, func() {
		all.mu.Lock()
		defer all.mu.Unlock()
		// A timer that was too late to be stopped belongs to an earlier release.
		if !kept.busy && kept.expiry == expiry && all.open[q.session] == kept {
			delete(all.open, q.session)
			kept.c.close()
		}
	})
	kept.expiry = expiry
}

// close ends every session.
func (all *sessions) close() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for name, kept := range all.open {
		if !kept.busy {
			kept.c.close()
		}
		delete(all.open, name)
	}
}
