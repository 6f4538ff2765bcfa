package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// The client reads the answer to its first question at the revision it asks
// with, and everything after at the revision it was told.
func TestHandshakeIsReadByTheClient(t *testing.T) {
	if clickhouse.ClientTCPProtocolVersion != helloRevision {
		t.Fatalf("the client now asks at revision %d: frame the handshake for it", clickhouse.ClientTCPProtocolVersion)
	}
	var block proto.Block
	if err := block.Decode(chproto.NewReader(bytes.NewReader(helloFor("an engine", "26.7.2.1"))), helloRevision); err != nil {
		t.Fatal(err)
	}
	if want := []string{"displayName()", "version()", "revision()", "timezone()"}; !reflect.DeepEqual(block.ColumnsNames(), want) || block.Rows() != 1 {
		t.Fatalf("want one row of %v, got %d of %v", want, block.Rows(), block.ColumnsNames())
	}
	var got []any
	for _, column := range block.Columns {
		got = append(got, column.Row(0, false))
	}
	if want := []any{"an engine", "26.7.2.1", uint32(0), "UTC"}; !reflect.DeepEqual(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
}

func TestTokensAreThoseOfClickHouse(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"SELECT 1", []string{"SELECT", "1"}},
		{"a.b(c)", []string{"a", ".", "b", "(", "c", ")"}},
		{"'it''s' 'a\\'b' x", []string{"'it''s'", "'a\\'b'", "x"}},
		{"a -- b 'c\nd", []string{"a", "d"}},
		{"a # b 'c\nd", []string{"a", "d"}},
		{"a #! b\nd", []string{"a", "d"}},
		{"a #b", []string{"a", "#", "b"}},
		{"a/* ' */b", []string{"a", "b"}},
		{"a/* /* */b*/", []string{"a", "b", "*", "/"}},
		{"$x$ ' $x$ y", []string{"$x$ ' $x$", "y"}},
		{"$$ ' $$ y", []string{"$$ ' $$", "y"}},
		{"`a``b` \"c\\\"d\"", []string{"`a``b`", "\"c\\\"d\""}},
		{"'open", []string{"'open"}},
		{"/* open", []string{"/* open"}},
	} {
		var got []string
		for _, token := range lex(c.text) {
			got = append(got, token.text)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: want %q, got %q", c.text, c.want, got)
		}
	}
}

func TestWhatCouldBeReadTwoWaysIsRefused(t *testing.T) {
	admit := func(text string) error {
		_, err := examine(text, nil, func(string) (uint32, uint32) { return 1, classRead })
		return err
	}
	for _, text := range []string{
		"SELECT ‘x’", "SELECT “x”", "SELECT $a b$ ' $a b$", "SELECT 1\x00", "SELECT\u00a01", "SELECT 1 − 2",
		`SELECT * FROM "s\x79stem".processes`, "SELECT `fi\\x6ce`('x')", `SELECT \`,
	} {
		if admit(text) == nil {
			t.Errorf("%q was admitted", text)
		}
	}
	for _, text := range []string{"SELECT 'é‘“−\\x00' -- “\n, $a$ é $a$", "SELECT `é`, \"a\"\"b\" /* ’ */"} {
		if err := admit(text); err != nil {
			t.Errorf("%q was refused: %v", text, err)
		}
	}
}

func TestInsertsAreSplitFromTheirData(t *testing.T) {
	for _, c := range []struct{ text, statement, format, data string }{
		{"INSERT INTO t VALUES (1)", "INSERT INTO t ", "Values", " (1)"},
		{"INSERT INTO t(a, b)VALUES(1,'SELECT')", "INSERT INTO t(a, b)", "Values", "(1,'SELECT')"},
		{"insert into d.t (format, values) format CSV\n1,2\n", "insert into d.t (format, values) ", "CSV", "1,2\n"},
		{"INSERT INTO TABLE `values` FORMAT TSV;\n\n1", "INSERT INTO TABLE `values` ", "TSV", "\n1"},
		{"INSERT INTO t SETTINGS a = 1, b = 'x' FORMAT Native\r\n\x00", "INSERT INTO t SETTINGS a = 1, b = 'x' ", "Native", "\x00"},
		{"/* a */ INSERT /* b */ INTO t -- c\nFORMAT JSONEachRow{}", "/* a */ INSERT /* b */ INTO t -- c\n", "JSONEachRow", "{}"},
		{"INSERT INTO t SELECT 'VALUES'", "INSERT INTO t SELECT 'VALUES'", "", ""},
		{"INSERT INTO t (a) (SELECT 1)", "INSERT INTO t (a) (SELECT 1)", "", ""},
		{"INSERT INTO t WITH 1 AS x SELECT x", "INSERT INTO t WITH 1 AS x SELECT x", "", ""},
	} {
		got, err := splitInsert(c.text)
		if err != nil || got.text != c.statement || got.format != c.format || got.data != c.data || got.insert != (c.format != "") {
			t.Errorf("%q: got %+v %v", c.text, got, err)
		}
	}
	for _, text := range []string{
		"INSERT INTO t", "INSERT INTO t FROM INFILE 'x' FORMAT CSV", "INSERT INTO FUNCTION file('x') VALUES (1)",
		"INSERT INTO t (a) FROM INFILE 'x' FORMAT CSV", "INSERT INTO TABLE FUNCTION url('x') FORMAT CSV 1",
	} {
		if got, err := splitInsert(text); err == nil {
			t.Errorf("%q: want a refusal, got %+v", text, got)
		}
	}
}

// blocks frames data in blocks of at most a MiB.
func blocks(t *testing.T, method string, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if n, err := newBlockWriter(&out, method).Write(data); err != nil || n != len(data) {
		t.Fatalf("%d of %d bytes written: %v", n, len(data), err)
	}
	return out.Bytes()
}

func TestBlocksComeBackAsTheyWere(t *testing.T) {
	data := bytes.Repeat([]byte("some text that repeats, and a number: 12345; "), 60000)
	for _, method := range []string{"LZ4", "ZSTD", "NONE"} {
		got, err := io.ReadAll(newBlockReader(iotest.HalfReader(bytes.NewReader(blocks(t, method, data)))))
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes came back of %d: %v", method, len(got), len(data), err)
		}
	}
}

func TestABlockThatIsCutIsNeverTheEnd(t *testing.T) {
	framed := blocks(t, "LZ4", []byte("not much"))
	whole := len(framed)
	framed = append(framed, framed...)
	for n := range framed {
		if n == 0 || n == whole {
			continue
		}
		if _, err := io.ReadAll(newBlockReader(bytes.NewReader(framed[:n]))); !errors.Is(err, errCutShort) {
			t.Errorf("cut after %d of %d bytes: want an error, got %v", n, len(framed), err)
		}
	}
}

func TestABlockThatLiesIsRefused(t *testing.T) {
	framed := blocks(t, "LZ4", []byte("not much"))
	for at := range framed {
		broken := bytes.Clone(framed)
		broken[at] ^= 0x55
		if got, err := io.ReadAll(newBlockReader(bytes.NewReader(broken))); err == nil {
			t.Errorf("byte %d changed: read as %q", at, got)
		}
	}
}

func FuzzBlocks(f *testing.F) {
	var framed bytes.Buffer
	newBlockWriter(&framed, "ZSTD").Write([]byte("seed"))
	f.Add(framed.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		io.Copy(io.Discard, io.LimitReader(newBlockReader(bytes.NewReader(data)), 1<<20))
	})
}

func FuzzStatements(f *testing.F) {
	for _, text := range []string{"SELECT 1", "INSERT INTO t FORMAT CSV\n1", "SELECT $a$ x $a$ -- 'y", "SELECT `a``b` # c\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		end := 0
		for _, token := range lex(text) {
			if token.start < end || token.end <= token.start || token.end > len(text) {
				t.Fatalf("token %+v of %q", token, text)
			}
			end = token.end
		}
		st, err := examine(text, nil, func(string) (uint32, uint32) { return 1, classRead })
		if err == nil && st.insert && !strings.HasSuffix(text, st.data) {
			t.Fatalf("%q: the data is %q", text, st.data)
		}
	})
}

func TestSettingsOfTheConfigurationAreEscaped(t *testing.T) {
	got, err := fill("<a>{{xml .X}}</a>", map[string]any{"X": "/tmp/<b>&'"})
	if want := "<a>/tmp/&lt;b&gt;&amp;&#39;</a>"; err != nil || string(got) != want {
		t.Errorf("want %s, got %s: %v", want, got, err)
	}
}

func TestErrorTextsKeepTheirCodes(t *testing.T) {
	for text, code := range map[string]int{
		"Code: 60. DB::Exception: Unknown table (UNKNOWN_TABLE)": 60,
		"Invalid insert stream":                                  codeUnknownException,
		"":                                                       codeUnknownException,
	} {
		e := exceptionFrom(text)
		if e.code != code || !strings.HasPrefix(e.text, fmt.Sprintf("Code: %d. DB::", code)) {
			t.Errorf("%q: got %d %q", text, e.code, e.text)
		}
	}
}
