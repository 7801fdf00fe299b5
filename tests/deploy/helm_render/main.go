// Renders a Helm chart as far as deploy/helm uses Helm: text/template with sprig, include, toYaml, .Files.Get. For tests, from
// Debian's libraries, where there is no helm.
//
//	helm_render CHART RELEASE NAMESPACE [VALUES.yaml]
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"gopkg.in/yaml.v3"
)

type files struct{ chart string }

// Get is .Files.Get: empty where there is no such file.
func (f files) Get(name string) string {
	text, err := os.ReadFile(filepath.Join(f.chart, name))
	if err != nil {
		return ""
	}
	return string(text)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func load(path string) map[string]interface{} {
	text, err := os.ReadFile(path)
	check(err)
	out := map[string]interface{}{}
	check(yaml.Unmarshal(text, &out))
	return out
}

// Helm's rule: maps are merged, null takes a default away, everything else is replaced.
func merge(into, from map[string]interface{}) {
	for key, value := range from {
		next, isMap := value.(map[string]interface{})
		known, wasMap := into[key].(map[string]interface{})
		switch {
		case value == nil:
			delete(into, key)
		case isMap && wasMap:
			merge(known, next)
		default:
			into[key] = value
		}
	}
}

func main() {
	if len(os.Args) < 4 {
		check(fmt.Errorf("helm_render CHART RELEASE NAMESPACE [VALUES.yaml]"))
	}
	chart := os.Args[1]
	values := load(filepath.Join(chart, "values.yaml"))
	if len(os.Args) > 4 {
		merge(values, load(os.Args[4]))
	}
	about := load(filepath.Join(chart, "Chart.yaml"))
	root := map[string]interface{}{
		"Values":  values,
		"Release": map[string]interface{}{"Name": os.Args[2], "Namespace": os.Args[3], "Service": "Helm"},
		"Chart":   map[string]interface{}{"Name": about["name"], "Version": about["version"], "AppVersion": about["appVersion"]},
		"Files":   files{chart},
	}
	all := template.New("chart").Option("missingkey=zero")
	functions := sprig.TxtFuncMap()
	functions["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	functions["include"] = func(name string, data interface{}) (string, error) {
		var out bytes.Buffer
		err := all.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	all.Funcs(functions)
	paths, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	check(err)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		check(err)
		_, err = all.New(filepath.Base(path)).Parse(string(text))
		check(err)
	}
	for _, path := range paths {
		if !strings.HasSuffix(path, ".yaml") {
			continue
		}
		fmt.Printf("---\n# %s\n", filepath.Base(path))
		check(all.ExecuteTemplate(os.Stdout, filepath.Base(path), root))
		fmt.Println()
	}
}
