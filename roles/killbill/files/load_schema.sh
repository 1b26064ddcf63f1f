# Loads schemas into a component's database in MariaDB, each once: sh load_schema.sh NAME=FILE ...
#
# MariaDB commits each table as it is made. So what is begun is written down first, and what is finished last: one that was killed
# is found and made anew, before anything can have been written to it. A schema of somebody else's hand is left alone.
set -eu
patience=${PATIENCE:-180} # seconds for MariaDB to answer

ask() {
  mariadb --defaults-file=/etc/saasodoo/schema.cnf --batch --skip-column-names "$@"
}

tables() {
  sed --quiet --regexp-extended 's/^ *create table (if not exists )?`?([a-z0-9_]+).*/\2/Ip' "$1"
}

load() {
  name=$1 file=$2
  [ -n "$(tables "$file")" ] || { echo "schema $name: $file makes no table; expected: the DDL that comes with it" >&2; exit 1; }
  state=$(ask --execute="SELECT loaded FROM saasodoo_schemas WHERE name = '$name'")
  if [ "$state" = 1 ]; then
    echo "schema $name is there"
    return
  fi
  if [ -z "$state" ]; then
    listed=$(tables "$file" | sed "s/.*/'&'/" | paste --serial --delimiters=,)
    found=$(ask --execute="SELECT count(*) FROM information_schema.tables WHERE table_schema = database() AND table_name IN ($listed)")
    if [ "$found" != 0 ]; then
      echo "schema $name: $found of its tables are there, and nobody has written down that they are whole. Empty the database if" \
        "nothing in it is needed; else INSERT INTO saasodoo_schemas VALUES ('$name', true) once it is whole" >&2
      exit 1
    fi
  fi
  {
    # Of two at a time the later one waits here, and fails at the row of the earlier one.
    echo "DO GET_LOCK('saasodoo_schemas', $patience);"
    echo "START TRANSACTION;"
    echo "DELETE FROM saasodoo_schemas WHERE name = '$name' AND NOT loaded;"
    echo "INSERT INTO saasodoo_schemas VALUES ('$name', false);"
    echo "COMMIT;"
    tables "$file" | sed 's/.*/DROP TABLE IF EXISTS `&`;/'
    cat "$file"
    echo
    echo "UPDATE saasodoo_schemas SET loaded = true WHERE name = '$name';"
  } | ask
  echo "schema $name is loaded"
}

made="CREATE TABLE IF NOT EXISTS saasodoo_schemas (name varchar(64) PRIMARY KEY, loaded boolean NOT NULL)"
until said=$(ask --execute="$made" 2>&1); do
  patience=$((patience - 1))
  [ "$patience" -gt 0 ] || { echo "schemas can't be loaded: $said" >&2; exit 1; }
  sleep 1
done
for each in "$@"; do
  load "${each%%=*}" "${each#*=}"
done
