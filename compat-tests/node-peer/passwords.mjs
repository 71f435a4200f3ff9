// bcrypt as http-and-redis.md §2 describes it, on bcryptjs, which needs no compiler. It
// differs from the original's native bcrypt in what is put right here.
import bcrypt from 'bcryptjs';

const COST = 10;
const HASH = /^\$2[ab]\$\d\d\$[./A-Za-z0-9]{53}$/;

/** Lone surrogates are U+FFFD in the original's hash; bcryptjs would encode them as they are. */
const utf8 = (password) => (typeof password === 'string' ? password.toWellFormed() : password);

export const hash = async (password) => (await bcrypt.hash(utf8(password), COST)).replace(/^\$2a\$/, '$2b$');

/** Rejects unless both are text. Text that is no hash never fits, whatever bcryptjs makes of it. */
export async function fits(password, stored) {
  if (typeof password === 'string' && typeof stored === 'string' && !HASH.test(stored)) return false;
  return bcrypt.compare(utf8(password), stored);
}
