// What a tab keeps when it is reloaded. Each tab may be another user.

const KEY = 'ignis';
const NAMES = ['ann', 'ben', 'cleo', 'dan', 'eve', 'finn', 'gwen', 'hugo', 'iris', 'jon', 'kim', 'leo'];

function load() {
  const fresh = { name: NAMES[Math.floor(Math.random() * NAMES.length)], encrypt: false, rooms: [{ name: 'lobby', member: true }], room: 'lobby', frames: null };
  try {
    return { ...fresh, ...JSON.parse(sessionStorage.getItem(KEY)) };
  } catch {
    return fresh; // an older version has written something else
  }
}

// settings are the name of the user, whether to encrypt, the rooms and whether the user is a
// member, the current room, and whether the frames are shown (null: if there is space).
export const settings = load();

export function save() {
  sessionStorage.setItem(KEY, JSON.stringify(settings));
}

// The address may contain settings, as that of the second tab does. They apply once, and not
// again when the page is reloaded.
const query = new URLSearchParams(location.search);
if (query.has('user')) settings.name = query.get('user').slice(0, 64);
if (query.has('encrypt')) settings.encrypt = query.get('encrypt') !== 'no';
if (query.has('room')) {
  const names = new Set(query.get('room').split(',').filter(Boolean));
  settings.rooms = [...names].map((name) => ({ name, member: true }));
  settings.room = settings.rooms[0]?.name ?? null;
}
if (location.search) history.replaceState(null, '', location.pathname);
save();

// otherTab returns the address of this page for another user in the same rooms.
export function otherTab() {
  const name = NAMES[(NAMES.indexOf(settings.name) + 1) % NAMES.length];
  const rooms = settings.rooms.filter(({ member }) => member).map((room) => room.name);
  return `/?${new URLSearchParams({ user: name, room: rooms.join(','), encrypt: settings.encrypt ? 'yes' : 'no' })}`;
}
