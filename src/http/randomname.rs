//! `GET /randomname` (`http-and-redis.md` section 2): a name to register with.

use rand::seq::IndexedRandom as _;

use super::respond::Answer;

/// A first name, as bare text.
pub(super) fn get() -> Answer {
    Answer::text(NAMES.choose(&mut rand::rng()).copied().unwrap_or(NAMES[0]))
}

#[rustfmt::skip]
const NAMES: [&str; 240] = [
    "Aaron", "Abigail", "Adam", "Adrian", "Agnes", "Alan", "Albert", "Alexander", "Alfred", "Alice",
    "Alison", "Amanda", "Amber", "Amelia", "Amy", "Andrea", "Andrew", "Angela", "Anita", "Ann",
    "Anthony", "April", "Arthur", "Ashley", "Audrey", "Austin", "Barbara", "Barry", "Beatrice", "Benjamin",
    "Bernard", "Bertha", "Beth", "Betty", "Beverly", "Blake", "Bonnie", "Bradley", "Brandon", "Brenda",
    "Brian", "Bruce", "Bryan", "Caleb", "Calvin", "Cameron", "Carl", "Carla", "Carmen", "Carol",
    "Caroline", "Catherine", "Cecilia", "Charles", "Charlotte", "Chelsea", "Cheryl", "Chloe", "Christian", "Christine",
    "Christopher", "Claire", "Clara", "Clarence", "Claude", "Clifford", "Colin", "Connor", "Craig", "Crystal",
    "Curtis", "Cynthia", "Daisy", "Dale", "Daniel", "Danielle", "David", "Dawn", "Dean", "Deborah",
    "Denise", "Dennis", "Derek", "Diana", "Donald", "Donna", "Doris", "Dorothy", "Douglas", "Duncan",
    "Dylan", "Edith", "Edward", "Edwin", "Eileen", "Elaine", "Eleanor", "Elizabeth", "Ella", "Ellen",
    "Elsie", "Emily", "Emma", "Eric", "Erin", "Ernest", "Ethan", "Eugene", "Evan", "Evelyn",
    "Faith", "Felicity", "Fiona", "Florence", "Frances", "Francis", "Frank", "Franklin", "Frederick", "Gabriel",
    "Gail", "Gareth", "Gary", "Gavin", "Geoffrey", "George", "Georgia", "Gerald", "Gilbert", "Gladys",
    "Glenn", "Gloria", "Gordon", "Grace", "Graham", "Gregory", "Hannah", "Harold", "Harriet", "Harry",
    "Harvey", "Hazel", "Heather", "Heidi", "Helen", "Henry", "Herbert", "Holly", "Hope", "Howard",
    "Hugh", "Ian", "Imogen", "Irene", "Iris", "Isaac", "Isabel", "Ivy", "Jack", "Jacob",
    "Jacqueline", "James", "Jane", "Janet", "Jasmine", "Jason", "Jean", "Jeffrey", "Jennifer", "Jeremy",
    "Jessica", "Joan", "Joanna", "John", "Jonathan", "Joseph", "Joshua", "Joyce", "Judith", "Julia",
    "Julian", "June", "Justin", "Karen", "Karl", "Kate", "Keith", "Kelly", "Kenneth", "Kevin",
    "Kimberly", "Laura", "Lauren", "Lawrence", "Leah", "Leonard", "Leslie", "Lewis", "Liam", "Lillian",
    "Linda", "Logan", "Louise", "Lucas", "Lucy", "Luke", "Lydia", "Malcolm", "Margaret", "Maria",
    "Marion", "Mark", "Martha", "Martin", "Matthew", "Maureen", "Megan", "Melissa", "Michael", "Molly",
    "Nancy", "Natalie", "Nathan", "Neil", "Nicholas", "Nicole", "Nigel", "Nora", "Oliver", "Olivia",
    "Oscar", "Owen", "Pamela", "Patricia", "Paul", "Peter", "Rachel", "Rebecca", "Richard", "Robert",
];

#[cfg(test)]
mod tests {
    use super::NAMES;
    use std::collections::HashSet;

    #[test]
    fn names_look_like_names() {
        for name in NAMES {
            let (first, rest) = name.split_at(1);
            assert!(first.bytes().all(|b| b.is_ascii_uppercase()), "{name}");
            assert!(!rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase()), "{name}");
        }
        assert_eq!(HashSet::from(NAMES).len(), NAMES.len());
    }
}
