package labeling

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
	"assay/internal/postgrestest"
)

var admin = auth.Actor{Kind: auth.Person, ID: 901, Name: "admin", Roles: []auth.Role{auth.Admin}}

// enroll makes the account of a labeler, seen so long ago.
func enroll(t testing.TB, db postgres.DB, name string, seen time.Duration) auth.Actor {
	t.Helper()
	who := auth.Actor{Kind: auth.Person, Name: name, Roles: []auth.Role{auth.Labeler}}
	err := db.QueryRow(t.Context(), `INSERT INTO people (email, name) VALUES ($1, $2) RETURNING id`, fmt.Sprintf("%x@example.org", name), name).Scan(&who.ID)
	if err == nil {
		_, err = db.Exec(t.Context(), `INSERT INTO person_roles (person_id, role) VALUES ($1, 'labeler')`, who.ID)
	}
	if err == nil {
		_, err = db.Exec(t.Context(), `
			INSERT INTO sign_in_sessions (token_hash, person_id, started_at, seen_at, expires_at)
			VALUES (sha256($1::text::bytea), $2, now() - $3::interval, now() - $3::interval, now() + interval '1 day')`, name, who.ID, seen)
	}
	if err != nil {
		t.Fatal(err)
	}
	return who
}

func skills(t testing.TB, s *Store, who auth.Actor, classes, languages []string) {
	t.Helper()
	if err := s.SetSkills(t.Context(), admin, who.ID, Skills{TaskClasses: classes, Languages: languages}); err != nil {
		t.Fatal(err)
	}
}

func speak(t testing.TB, s *Store, language string, items ...int64) {
	t.Helper()
	if _, err := s.DB.Exec(t.Context(), `UPDATE items SET language = $1 WHERE id = ANY ($2)`, language, items); err != nil {
		t.Fatal(err)
	}
}

func TestStartServesOnlyWhatAPersonCanJudge(t *testing.T) {
	s := tx(t)
	sql, sums := openQueue(t, s, "sql_query"), openQueue(t, s, "summarization")
	put(t, s, sql, seed{class: Safety, u: .1})
	rest := put(t, s, sums, seed{class: Safety, u: .2}, seed{class: Negative, u: .1}, seed{u: .3}, seed{u: .4})
	speak(t, s, "fi", rest[0], rest[1])
	speak(t, s, "en", rest[2])
	reader, other := enroll(t, s.DB, "Reader", 0), enroll(t, s.DB, "Other", 0)
	skills(t, s, reader, []string{"summarization"}, []string{"en", "de"})

	var served []int64
	for {
		_, r, err := s.Start(t.Context(), reader)
		if errors.Is(err, ErrNothingFree) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		served = append(served, r.ItemID)
		if err := s.Later(t.Context(), reader, r.ItemID, r.Token); err != nil || len(served) > 4 {
			t.Fatal(err, served)
		}
		if _, err := s.DB.Exec(t.Context(), `UPDATE items SET removed_at = now(), removed_by = 'test' WHERE id = $1`, r.ItemID); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int64{rest[2], rest[3]}; !slices.Equal(served, want) {
		t.Errorf("want %v, English and what does not say, got %v", want, served)
	}
	counts, err := s.Counts(t.Context(), reader, sums)
	if err != nil || counts.Free != 0 || counts.Beyond != 2 {
		t.Errorf("want none free and two beyond their skills, got %+v, %v", counts, err)
	}
	counts, err = s.Counts(t.Context(), reader, sql)
	if err != nil || counts.Free != 0 || counts.Beyond != 1 {
		t.Errorf("want the whole queue beyond their skills, got %+v, %v", counts, err)
	}
	if _, err := s.Reserve(t.Context(), reader, "sql_query"); !errors.Is(err, ErrNothingFree) {
		t.Errorf("want nothing served of another task class, got %v", err)
	}
	for _, queue := range []string{"sql_query", "summarization"} {
		if _, err := s.Reserve(t.Context(), other, queue); err != nil {
			t.Errorf("whoever has no skill set judges all of %s: %v", queue, err)
		}
	}
}

func TestASecondReadingAndWhatIsPutFirstAskForTheLanguageToo(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "summarization")
	items := put(t, s, queue, seed{u: .1, wanted: 2}, seed{u: .2})
	speak(t, s, "fi", items...)
	if _, err := s.DB.Exec(t.Context(), `UPDATE items SET lifted = 1 WHERE id = $1`, items[1]); err != nil {
		t.Fatal(err)
	}
	finn, reader := enroll(t, s.DB, "Finn", 0), enroll(t, s.DB, "Reader", 0)
	skills(t, s, reader, nil, []string{"en"})
	for range items {
		r, err := s.ReserveAhead(t.Context(), finn, "summarization")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Opened(t.Context(), finn, r.ItemID); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := s.Reserve(t.Context(), reader, "summarization"); !errors.Is(err, ErrNothingFree) {
		t.Errorf("want nothing for whoever reads no Finnish, got item %d, %v", r.ItemID, err)
	}
	skills(t, s, reader, nil, []string{"en", "fi"})
	if r, err := s.Reserve(t.Context(), reader, "summarization"); err != nil || r.ItemID != items[0] {
		t.Errorf("want item %d once the language is theirs, got %d, %v", items[0], r.ItemID, err)
	}
}

func TestWhatNobodyPresentCanJudgeIsSaid(t *testing.T) {
	s := storeOn(postgrestest.Database(t))
	s.recount = true
	queue := openQueue(t, s, "summarization")
	items := put(t, s, queue, seed{u: .1}, seed{u: .2}, seed{u: .3}, seed{u: .4})
	speak(t, s, "fi", items[0], items[1])
	speak(t, s, "pl", items[2])
	here, away := enroll(t, s.DB, "Here", time.Minute), enroll(t, s.DB, "Away", 5*time.Hour)
	skills(t, s, here, nil, []string{"en"})
	skills(t, s, away, nil, []string{"en", "fi"})
	list, err := s.Stranded(t.Context(), engineer, queue)
	if err != nil || len(list) != 2 {
		t.Fatalf("want Finnish and Polish, got %+v, %v", list, err)
	}
	if list[0].Language != "fi" || list[0].Items != 2 || !slices.Equal(list[0].Able, []string{"Away"}) || list[0].LastSeen == nil {
		t.Errorf("want two Finnish that Away could read, got %+v", list[0])
	}
	if list[1].Language != "pl" || list[1].Items != 1 || len(list[1].Able) != 0 {
		t.Errorf("want a Polish one that nobody reads, got %+v", list[1])
	}
	if list, err = s.Stranded(t.Context(), here, queue); err != nil || len(list) != 2 || list[0].Able != nil {
		t.Errorf("labelers do not see one another: %+v, %v", list, err)
	}
	skills(t, s, here, []string{"sql_query"}, nil)
	if list, err = s.Stranded(t.Context(), engineer, queue); err != nil || len(list) != 1 || list[0].Items != 4 || list[0].Language != "" {
		t.Errorf("want all four stranded by their task class, got %+v, %v", list, err)
	}
}

func TestSkillsAreSetByAnAdministratorAndLeaveAnEntry(t *testing.T) {
	s := tx(t)
	who := enroll(t, s.DB, "Reader", 0)
	if err := s.SetSkills(t.Context(), engineer, who.ID, Skills{}); fault.Of(err) != fault.Denied {
		t.Errorf("an engineer set skills: %v", err)
	}
	if err := s.SetSkills(t.Context(), admin, who.ID, Skills{Languages: []string{"klingon"}}); fault.Of(err) != fault.Invalid {
		t.Errorf("an unknown language was taken: %v", err)
	}
	if err := s.SetSkills(t.Context(), admin, 424242, Skills{}); fault.Of(err) != fault.NotFound {
		t.Errorf("nobody's skills were set: %v", err)
	}
	for range 2 {
		skills(t, s, who, []string{"sql_query", "sql_query"}, []string{"en", "de"})
	}
	if n := count(t, s.DB, `SELECT count(*) FROM audit_entries WHERE action = 'person.skills'`); n != 1 {
		t.Errorf("want one entry for one change, got %d", n)
	}
	byPerson, _, err := s.PeopleSkills(t.Context(), admin)
	if err != nil || !slices.Equal(byPerson[who.ID].Languages, []string{"de", "en"}) || !slices.Equal(byPerson[who.ID].TaskClasses, []string{"sql_query"}) {
		t.Errorf("got %+v, %v", byPerson[who.ID], err)
	}
	own, err := s.OwnSkills(t.Context(), who)
	if err != nil || !own.Judges("sql_query") || own.Judges("summarization") || !own.Reads("de") || own.Reads("fi") || !own.Reads("") {
		t.Errorf("got %+v, %v", own, err)
	}
}

func TestWorkIsNotAssignedToWhoeverCannotJudgeIt(t *testing.T) {
	s := tx(t)
	queue := openQueue(t, s, "sql_query")
	put(t, s, queue, seed{u: .1})
	who := enroll(t, s.DB, "Reader", 0)
	skills(t, s, who, []string{"summarization"}, nil)
	selection, err := s.Select(t.Context(), engineer, queue, SelectionFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), engineer, selection.ID, "assign", fmt.Sprint(who.ID)); fault.Of(err) != fault.Invalid {
		t.Errorf("want a refusal, got %v", err)
	}
}
