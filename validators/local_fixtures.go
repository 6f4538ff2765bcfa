package validators

import (
	"context"

	"assay/internal/fault"
)

// LocalFixtures are fixtures of files at hand, for checks without a database.
// Each is version 1 of its name.
type LocalFixtures map[string]*held

// mostLocal bounds what is held in memory for one command.
const mostLocal = 50

// ReadFixtures reads files as fixtures, each in a child of the sandbox and, where
// it makes tables, built by its engine. What is wrong with one is Invalid.
func (s *Set) ReadFixtures(ctx context.Context, files []File) (LocalFixtures, error) {
	if len(files) > mostLocal {
		return nil, fault.Say(fault.Invalid, "At most %d fixtures are read at once.", mostLocal)
	}
	all := LocalFixtures{}
	for _, f := range files {
		if err := f.check(); err != nil {
			return nil, fault.Say(fault.Of(err), "%s: %s", f.Name, fault.Words(err))
		}
		if all[f.Fixture] != nil {
			return nil, fault.Say(fault.Invalid, "Two files are the fixture %s.", f.Fixture)
		}
		content, err := s.readFixture(ctx, &f)
		if fault.Of(err) == fault.Invalid {
			return nil, fault.Say(fault.Invalid, "%s: %s", f.Name, fault.Words(err))
		}
		if err != nil {
			return nil, err
		}
		text, hash, err := f.keeps(content)
		if err != nil {
			return nil, err
		}
		all[f.Fixture] = &held{Name: f.Fixture, Version: 1, Kind: content.Kind, Dialect: f.Dialect, Hash: hash, Content: text}
	}
	return all, nil
}

// With gives an input the fixture its artifact names. One that is not there
// leaves it as it is: the check says so.
func (l LocalFixtures) With(in Input) Input {
	name, version := in.names()
	if f := l[name]; f != nil && version <= f.Version {
		in.fixture = f
	}
	return in
}
