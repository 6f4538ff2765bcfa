package validators

import (
	"context"
	"slices"

	"assay/internal/fault"
)

// kindResponse is the artifact of validators that read whole responses: what
// was asked, what was answered and on what it had to rely.
const kindResponse = "response"

// Scope is what a validator of whole responses is limited to; empty is any.
type Scope struct {
	TaskClasses []string
	Artifacts   []string // of the response, beside its text
}

// readsText reports whether the validator reads whole responses.
func (v Validator) readsText() bool { return slices.Contains(v.Kinds, kindResponse) }

// artifactKinds are the kinds of artifact a response must have for the
// validator; with readsText it may have any or none.
func (v Validator) artifactKinds() []string {
	return slices.DeleteFunc(slices.Clone(v.Kinds), func(kind string) bool { return kind == kindResponse })
}

// wants reports whether the validator looks at such a response.
func (v Validator) wants(s Subject) bool {
	if !v.readsText() {
		return slices.Contains(v.Kinds, s.Kind)
	}
	return (len(v.Scope.TaskClasses) == 0 || slices.Contains(v.Scope.TaskClasses, s.TaskClass)) &&
		(len(v.Scope.Artifacts) == 0 || slices.Contains(v.Scope.Artifacts, s.Kind))
}

// Serving lists the validators that judge now: the program's and those of the
// operator that are active.
func (s *Store) Serving(ctx context.Context) ([]Validator, error) {
	set, err := s.set()
	if err != nil {
		return nil, err
	}
	own, err := s.ownServing(ctx, set)
	if err != nil {
		return nil, err
	}
	judges, err := s.judgeServing(ctx)
	return append(append(set.All(), judges...), own...), err
}

// serving returns the validator of that name, among those that judge now.
func (s *Store) serving(ctx context.Context, name string) (Validator, error) {
	list, err := s.Serving(ctx)
	if err != nil {
		return Validator{}, err
	}
	for _, v := range list {
		if v.Name == name {
			return v, nil
		}
	}
	return Validator{}, fault.Say(fault.NotFound, "No validator of this name serves.")
}

// Looks says what the validators that serve want to be handed: kinds of
// artifact, and whether responses without one too.
func (s *Store) Looks(ctx context.Context) (kinds []string, anyText bool, err error) {
	serving, err := s.Serving(ctx)
	for _, v := range serving {
		kinds = append(kinds, v.artifactKinds()...)
		anyText = anyText || v.readsText()
	}
	return kinds, anyText, err
}
