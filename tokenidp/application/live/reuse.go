package live

// Versions are the versions of files that a Library has in force.
type Versions map[string]*version // by absolute path

// Versions returns what another Library can reuse. Others may call it while Run works.
func (l *Library) Versions() Versions {
	if versions := l.versions.Load(); versions != nil {
		return *versions
	}
	return nil
}

// Reuse has Load take over the given versions, as far as the files have the same bytes.
// Otherwise a reload of the configuration would have all Applications in memory twice,
// and all that is needed to read them.
func (l *Library) Reuse(versions Versions) { l.reusable = versions }

// publishVersions publishes the versions that mean the same whenever they are read.
func (l *Library) publishVersions() {
	versions := make(Versions)
	for _, f := range l.files {
		if v := f.inForce; v != nil && len(v.mounted) == 0 && !v.expanded {
			versions[f.key] = v
		}
	}
	l.versions.Store(&versions)
}

// noting has the version know that it depends on more than its bytes.
func (v *version) noting(expand func(string) (string, error)) func(string) (string, error) {
	if expand == nil {
		return nil
	}
	return func(s string) (string, error) {
		v.expanded = true
		return expand(s)
	}
}
