//! Modules: what is inferred of a plain `.proto`, what its options say, and what stays unbound.
#![cfg(feature = "modules")]
#![allow(clippy::unwrap_used)]

use expect_test::{Expect, expect};
use tailwater::Database;
use tailwater::module::{Binding, ModuleSource};

/// The plan as it is shown, without the SQL; that must run, twice in two databases and never twice in one.
fn shown(text: &str) -> String {
    let plan = ModuleSource::new("m.proto", text).plan().unwrap();
    let db = Database::memory().unwrap();
    let sql = plan.sql();
    db.exec(&sql, ())
        .unwrap_or_else(|error| panic!("{error}\n{sql}"));
    if !plan.tables.is_empty() {
        assert_eq!(db.exec(&sql, ()).unwrap_err().sqlstate(), "42P07");
    }
    for method in &plan.methods {
        match &method.binding {
            Binding::Subscribe { sql } | Binding::Query { sql } => {
                let sql = without_parameters(sql);
                let rows = db.query(&sql, ()).and_then(tailwater::Rows::collect_rows);
                rows.unwrap_or_else(|error| panic!("{error}\n{sql}"));
            }
            Binding::Exec { sql } => {
                let sql = without_parameters(sql);
                db.exec(&sql, ())
                    .unwrap_or_else(|error| panic!("{error}\n{sql}"));
            }
            Binding::Insert { .. } | Binding::Unbound { .. } => {}
        }
    }
    let shown = plan.to_string();
    shown.split("\n\n").next().unwrap().to_owned() + "\n"
}

/// The statement with NULL for each parameter: it finds nothing, if it binds.
fn without_parameters(sql: &str) -> String {
    let mut parts = sql.split(" :");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| {
        let end = part.find([' ', ',']).unwrap_or(part.len());
        format!("{text} NULL{}", &part[end..])
    })
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&shown(text));
}

fn refused(text: &str, expected: &str) {
    let error = ModuleSource::new("m.proto", text).plan().unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn the_chat_as_its_authors_wrote_it() {
    check(
        r#"
        syntax = "proto3";
        option go_package = "./chatpb";
        package chatpb;

        service ChatService {
          rpc JoinChannel(Channel) returns (stream Message) {}
          rpc SendMessage(stream Message) returns (MessageAck) {}
        }
        message Channel    { string name = 1; string senders_name = 2; }
        message Message    { string sender = 1; Channel channel = 2; string message = 3; }
        message MessageAck { string status = 1; }"#,
        expect![[r#"
            table message of chatpb.Message: JoinChannel sends a stream of it
                seq counts the rows as they arrive: it has no key of its own
            value chatpb.Channel: JoinChannel is asked with it
            value chatpb.MessageAck: SendMessage answers with it
            rpc /chatpb.ChatService/JoinChannel streams SELECT * FROM message WHERE channel.name = :name ORDER BY seq
            rpc /chatpb.ChatService/SendMessage stores each message in message
        "#]],
    );
}

#[test]
fn methods_are_bound_by_their_names() {
    check(
        r#"
        syntax = "proto3";
        import "google/protobuf/empty.proto";
        service Users {
          rpc CreateUser(CreateUserRequest) returns (User);
          rpc AddUser(User) returns (google.protobuf.Empty);
          rpc GetUser(UserId) returns (User);
          rpc ListUsers(ListUsersRequest) returns (ListUsersResponse);
          rpc ListBoxes(google.protobuf.Empty) returns (Boxes);
          rpc UpdateBox(Box) returns (Box);
          rpc DeleteUser(UserId) returns (google.protobuf.Empty);
          rpc FollowBoxes(User) returns (stream Box);
        }
        message CreateUserRequest { User user = 1; }
        message UserId { string id = 1; }
        message ListUsersRequest { int32 page_size = 1; string team = 2; }
        message ListUsersResponse { repeated User users = 1; }
        message User { string id = 1; string name = 2; string team = 3; }
        message Boxes { repeated Box boxes = 1; }
        message Box { int64 box_id = 1; string user_id = 2; repeated double sizes = 3; }"#,
        expect![[r#"
            table user of User: CreateUser names it
            table box of Box: FollowBoxes sends a stream of it
            value CreateUserRequest: CreateUser is asked with it
            value UserId: GetUser is asked with it
            value ListUsersRequest: ListUsers is asked with it
            value ListUsersResponse: ListUsers answers with it
            value Boxes: ListBoxes answers with it
            rpc /Users/CreateUser stores user in user
            rpc /Users/AddUser stores each message in user
            rpc /Users/GetUser answers SELECT * FROM user WHERE id = :id
            rpc /Users/ListUsers answers SELECT * FROM user WHERE team = :team ORDER BY id
            rpc /Users/ListBoxes answers SELECT * FROM box ORDER BY box_id
            rpc /Users/UpdateBox runs UPDATE box SET user_id = :user_id, sizes = :sizes WHERE box_id = :box_id
            rpc /Users/DeleteUser runs DELETE FROM user WHERE id = :id
            rpc /Users/FollowBoxes streams SELECT * FROM box WHERE user_id = :id ORDER BY box_id
        "#]],
    );
}

#[test]
fn what_is_ambiguous_stays_unbound_and_says_what_would_bind_it() {
    check(
        r#"
        syntax = "proto3";
        service S {
          rpc Follow(User) returns (stream Transfer);
          rpc Search(Query) returns (stream Transfer);
          rpc Echo(stream Transfer) returns (stream Transfer);
          rpc Compute(Query) returns (Answer);
          rpc GetTransfer(Query) returns (Transfer);
        }
        message User { string id = 1; }
        message Transfer { User from = 1; User to = 2; int64 cents = 3; }
        message Query { string text = 1; }
        message Answer { string text = 1; }"#,
        expect![[r#"
            table transfer of Transfer: Follow sends a stream of it
                seq counts the rows as they arrive: it has no key of its own
            value User: Follow is asked with it
            value Query: Search is asked with it
            value Answer: Compute answers with it
            rpc /S/Follow unbound: User of Transfer may be its from or its to; say option (tailwater.v1.bind) = { subscribe: "SELECT * FROM transfer WHERE .." };
            rpc /S/Search unbound: text of Query has nothing to match in Transfer; say option (tailwater.v1.bind) = { subscribe: "SELECT * FROM transfer WHERE .." };
            rpc /S/Echo unbound: what it answers each message with is not told, and no option tells it yet
            rpc /S/Compute unbound: Compute does not begin with Create, Get, List, Update or Delete; say option (tailwater.v1.bind) = { query: "SELECT .." };
            rpc /S/GetTransfer unbound: text of Query has nothing to match in Transfer; say option (tailwater.v1.bind) = { query: "SELECT .." };
        "#]],
    );
}

#[test]
fn options_say_otherwise() {
    check(
        r#"
        syntax = "proto3";
        import "tailwater/v1/options.proto";
        service S {
          rpc Top(Nothing) returns (stream ByTeam);
          rpc Rename(Player) returns (Nothing) {
            option (tailwater.v1.bind) = { exec: "UPDATE players SET name = :name WHERE team = :team AND nr = :nr" };
          }
          rpc Sign(stream Player) returns (Nothing) { option (tailwater.v1.bind) = { insert: "players" }; }
        }
        message Nothing {}
        message Player {
          option (tailwater.v1.table) = {
            name: "players" primary_key: ["team", "nr"] check: "nr > 0"
            index: { columns: ["home.city"] } index: { columns: ["name"] unique: true }
          };
          string team = 1;
          int32 nr = 2 [(tailwater.v1.column) = { type: "SMALLINT" }];
          string name = 3 [(tailwater.v1.column) = { nullable: true }];
          Address home = 4;
        }
        message Address { option (tailwater.v1.table) = { none: true }; string id = 1; string city = 2; }
        message ByTeam {
          option (tailwater.v1.table) = { view: "SELECT team, count(*) AS n FROM players GROUP BY team" primary_key: "team" };
          string team = 1;
          int64 n = 2;
        }"#,
        expect![[r#"
            table players of Player: its options say so
            view by_team of ByTeam: its options say so
            value Nothing: it has no fields
            value Address: its options say that it is no table
            rpc /S/Top streams SELECT * FROM by_team ORDER BY team
            rpc /S/Rename runs UPDATE players SET name = :name WHERE team = :team AND nr = :nr
            rpc /S/Sign stores each message in players
        "#]],
    );
}

#[test]
fn columns_may_have_other_names_than_their_fields() {
    check(
        r#"
        syntax = "proto3";
        import "tailwater/v1/options.proto";
        service Items {
          rpc GetItem(Item) returns (Item);
          rpc ListItems(ListItemsRequest) returns (Items2);
          rpc UpdateItem(UpdateItemRequest) returns (Item);
          rpc Follow(Shop) returns (stream Item);
        }
        message Item {
          string id = 1 [(tailwater.v1.column) = { name: "nr" }];
          Shop shop = 2 [(tailwater.v1.column) = { name: "store" }];
          string text = 3 [(tailwater.v1.column) = { name: "label" }];
        }
        message Shop { string id = 1; }
        message ListItemsRequest { string text = 1; Shop shop = 2; }
        message UpdateItemRequest { Item item = 1; }
        message Items2 { repeated Item items = 1; }"#,
        expect![[r#"
            table item of Item: Follow sends a stream of it
            value Shop: Follow is asked with it
            value ListItemsRequest: ListItems is asked with it
            value UpdateItemRequest: UpdateItem is asked with it
            value Items2: ListItems answers with it
            rpc /Items/GetItem answers SELECT * FROM item WHERE nr = :id
            rpc /Items/ListItems answers SELECT * FROM item WHERE label = :text AND store.id = :shop.id ORDER BY nr
            rpc /Items/UpdateItem runs UPDATE item SET store = :item.shop, label = :item.text WHERE nr = :item.id
            rpc /Items/Follow streams SELECT * FROM item WHERE store.id = :id ORDER BY nr
        "#]],
    );
}

#[test]
fn what_could_mean_two_things_is_not_guessed() {
    check(
        r#"
        syntax = "proto3";
        import "google/protobuf/field_mask.proto";
        service S {
          rpc UpdateUser(UpdateUserRequest) returns (User);
          rpc AddPost(AddPostRequest) returns (Post);
          rpc FollowChannel(ChannelRequest) returns (stream Post);
          rpc FollowUser(User) returns (stream Note);
          rpc GetUser(UserId) returns (Permissions);
          rpc DeleteUsers(stream User) returns (Ack);
          rpc WatchUser(User) returns (stream User);
          rpc WatchNode(Node) returns (stream Node);
          rpc Join(Room) returns (stream Chat);
          rpc ListAccounts(ListAccountsRequest) returns (Accounts);
          rpc GetState(UserId) returns (Job.State);
          rpc Beat(Ack) returns (stream Nothing);
          rpc SendNote(Note) returns (Ack);
        }
        message User { string id = 1; string name = 2; }
        message UserId { string id = 1; }
        message UpdateUserRequest { User user = 1; google.protobuf.FieldMask update_mask = 2; }
        message Post { string id = 1; string channel_id = 2; string text = 3; }
        message AddPostRequest { string user_id = 1; Post post = 2; }
        message ChannelRequest { string id = 1; }
        message Note { string id = 1; string author = 2; }
        message Permissions { bool all = 1; }
        message Node { string id = 1; Node parent = 2; }
        message Room { string name = 1; }
        message Chat { Room chat = 1; string name = 2; }
        message Account { optional string id = 1; int64 limit = 2; bool exists = 3; }
        message ListAccountsRequest { int64 limit = 1; bool exists = 2; }
        message Accounts { repeated Account accounts = 1; }
        message Job { State state = 1; message State { string id = 1; } }
        message Nothing {}
        message Ack { string status = 1; }"#,
        expect![[r#"
            table user of User: DeleteUsers receives a stream of it
            table post of Post: FollowChannel sends a stream of it
            table note of Note: FollowUser sends a stream of it
            table node of Node: WatchNode sends a stream of it
            table chat of Chat: Join sends a stream of it
                seq counts the rows as they arrive: it has no key of its own
            table account of Account: ListAccounts names it
            value UserId: GetUser is asked with it
            value UpdateUserRequest: UpdateUser is asked with it
            value AddPostRequest: AddPost is asked with it
            value ChannelRequest: FollowChannel is asked with it
            value Permissions: GetUser answers with it
            value Room: Join is asked with it
            value ListAccountsRequest: ListAccounts is asked with it
            value Accounts: ListAccounts answers with it
            value Job: it has no key of its own
            value Job.State: GetState answers with it
            value Nothing: it has no fields
            value Ack: Beat is asked with it
            rpc /S/UpdateUser unbound: what update_mask of UpdateUserRequest is for is not told; say option (tailwater.v1.bind) = { exec: "UPDATE .." };
            rpc /S/AddPost unbound: what user_id of AddPostRequest is for is not told; say option (tailwater.v1.bind) = { exec: "INSERT INTO .." };
            rpc /S/FollowChannel streams SELECT * FROM post WHERE channel_id = :id ORDER BY id
            rpc /S/FollowUser unbound: id of User has nothing to match in Note; say option (tailwater.v1.bind) = { subscribe: "SELECT * FROM note WHERE .." };
            rpc /S/GetUser unbound: how Permissions is an answer to it is not told; say option (tailwater.v1.bind) = { query: "SELECT .." };
            rpc /S/DeleteUsers unbound: its name, DeleteUsers, says something else than its form; say option (tailwater.v1.bind) = { exec: "INSERT INTO .." };
            rpc /S/WatchUser streams SELECT * FROM user WHERE id = :id ORDER BY id
            rpc /S/WatchNode unbound: Node may be asked for itself or as parent of others; say option (tailwater.v1.bind) = { subscribe: "SELECT * FROM node WHERE .." };
            rpc /S/Join streams SELECT * FROM chat WHERE chat.chat.name = :name ORDER BY seq
            rpc /S/ListAccounts answers SELECT * FROM account WHERE "limit" = :limit AND "exists" = :exists ORDER BY id
            rpc /S/GetState unbound: no table is of State; say option (tailwater.v1.bind) = { query: "SELECT .." };
            rpc /S/Beat unbound: Nothing is no table of this module; say option (tailwater.v1.bind) = { subscribe: "SELECT * FROM .. WHERE .." };
            rpc /S/SendNote stores each message in note
        "#]],
    );
}

#[test]
fn views_are_read_and_never_written() {
    check(
        r#"
        syntax = "proto3";
        import "tailwater/v1/options.proto";
        service S {
          rpc Store(stream Item) returns (Ack);
          rpc Watch(Nothing) returns (stream Total);
          rpc Write(stream Total) returns (Ack);
          rpc Find(Search) returns (stream Item);
          rpc Near(Shop) returns (stream Item);
        }
        message Item {
          Shop shop = 1;
          string shop_id = 2;
          int64 at = 3 [(tailwater.v1.column) = { type: "TIMESTAMPTZ" }];
        }
        message Total {
          option (tailwater.v1.table) = { view: "SELECT count(*) AS n FROM item -- all of them" };
          int64 n = 1;
        }
        message Shop { string id = 1; }
        message Search { string shop_id = 1; }
        message Nothing {}
        message Ack { string status = 1; }"#,
        expect![[r#"
            table item of Item: Store receives a stream of it
                seq counts the rows as they arrive: it has no key of its own
            view total of Total: its options say so
            value Shop: Near is asked with it
            value Search: Find is asked with it
            value Nothing: it has no fields
            value Ack: Store answers with it
            rpc /S/Store stores each message in item
            rpc /S/Watch streams SELECT * FROM total
            rpc /S/Write unbound: total is a view, and nobody writes one; say option (tailwater.v1.bind) = { exec: "INSERT INTO .." };
            rpc /S/Find streams SELECT * FROM item WHERE shop_id = :shop_id ORDER BY seq
            rpc /S/Near streams SELECT * FROM item WHERE shop.id = :id ORDER BY seq
        "#]],
    );
}

#[test]
fn every_kind_of_field_is_a_column() {
    let plan = ModuleSource::new(
        "m.proto",
        r#"
        syntax = "proto3";
        import "google/protobuf/any.proto";
        import "google/protobuf/duration.proto";
        import "google/protobuf/struct.proto";
        import "google/protobuf/timestamp.proto";
        import "google/protobuf/wrappers.proto";
        message Every {
          int32 id = 1; sint64 b = 2; uint32 c = 3; fixed64 d = 4; float e = 5; double f = 6; bool g = 7; string h = 8;
          bytes i = 9; Color j = 10; optional int32 k = 11; repeated string l = 12; map<string, int32> m = 13;
          Every n = 14; repeated Every o = 15; oneof p { string q = 16; int32 r = 17; }
          google.protobuf.Timestamp s = 18; google.protobuf.Duration t = 19; google.protobuf.Struct u = 20;
          google.protobuf.Value v = 21; google.protobuf.Any w = 22; google.protobuf.Int64Value x = 23;
          google.protobuf.StringValue y = 24; string select = 25;
          enum Color { RED = 0; BLUE = 1; }
        }"#,
    )
    .plan()
    .unwrap();
    expect![[r#"
        CREATE TABLE every (
          id INTEGER NOT NULL DEFAULT 0,
          b BIGINT NOT NULL DEFAULT 0,
          c BIGINT NOT NULL DEFAULT 0,
          d NUMERIC(20,0) NOT NULL DEFAULT 0,
          e REAL NOT NULL DEFAULT 0,
          f DOUBLE PRECISION NOT NULL DEFAULT 0,
          g BOOLEAN NOT NULL DEFAULT false,
          h TEXT NOT NULL DEFAULT '',
          i BYTEA NOT NULL DEFAULT '',
          j INTEGER NOT NULL DEFAULT 0,
          k INTEGER,
          l TEXT[] NOT NULL DEFAULT '{}',
          m DOCUMENT NOT NULL DEFAULT {},
          n DOCUMENT,
          o DOCUMENT[] NOT NULL DEFAULT '{}',
          q TEXT,
          r INTEGER,
          s TIMESTAMPTZ,
          t INTERVAL,
          u DOCUMENT,
          v JSON,
          w DOCUMENT,
          x BIGINT,
          y TEXT,
          "select" TEXT NOT NULL DEFAULT '',
          PRIMARY KEY (id),
          CONSTRAINT every_p_check CHECK (num_nonnulls(q, r) <= 1)
        );
    "#]]
    .assert_eq(&plan.sql());
    Database::memory().unwrap().exec(&plan.sql(), ()).unwrap();
}

#[test]
fn wrong_text_is_refused_with_its_place() {
    refused(
        "syntax = \"proto3\";\nmessage A { strin x = 1; }",
        "m.proto:2:13: name 'strin' is not defined (SQLSTATE 42601)",
    );
    refused(
        "syntax = \"proto3\";\nimport \"nope.proto\";",
        "m.proto:2:1: import 'nope.proto' not found (SQLSTATE 42601); \
         hint: files are imported by their names relative to the folders given",
    );
    refused(
        "edition = \"2023\";",
        "m.proto:1:1: expected 'enum', 'extend', 'import', 'message', 'option', 'service', 'package' or ';', \
         but found 'edition' (SQLSTATE 42601); hint: editions are not supported: begin with syntax = \"proto3\";",
    );
    refused(
        r#"syntax = "proto3"; import "tailwater/v1/options.proto";
           message A { option (tailwater.v1.table) = { primary_key: "nr" }; string id = 1; }"#,
        "A: it has no column nr (SQLSTATE 42P16); hint: its columns are id",
    );
    refused(
        r#"syntax = "proto3"; import "tailwater/v1/options.proto";
           message A { string id = 1; } message B { option (tailwater.v1.table) = { name: "a" }; string id = 1; }"#,
        "A and B would both be the table a (SQLSTATE 42P07); \
         hint: name one: option (tailwater.v1.table) = { name: \"another\" };",
    );
    refused(
        r#"syntax = "proto3"; import "tailwater/v1/options.proto"; message A { string id = 1; }
           service S { rpc F(A) returns (A) { option (tailwater.v1.bind) = { subscribe: "SELECT 1" }; } }"#,
        "S.F: to subscribe, it has one request and returns a stream (SQLSTATE 42P16)",
    );
}

#[test]
fn hostile_text_gets_an_error() {
    let deep = format!(
        "syntax = \"proto3\";{}{}",
        "message A {".repeat(10_000),
        "}".repeat(10_000)
    );
    let long = format!("syntax = \"proto3\"; // {}", "x".repeat(5 << 20));
    let aggregate = format!(
        "syntax = \"proto3\"; import \"google/protobuf/descriptor.proto\"; message R {{ string s = 1; R r = 2; }}
         extend google.protobuf.MessageOptions {{ R x = 50001; }}
         message A {{ option (x) = {{ {} {} }}; string id = 1; }}",
        "s: \"}\" r {".repeat(100_000),
        "}".repeat(100_000)
    );
    let many: String = (0..3_000)
        .map(|n| format!("message M{n} {{ int32 id = 1; }}"))
        .collect();
    let many = format!("syntax = \"proto3\"; {many}");
    let texts = [
        (deep, "54001"),
        (long, "54000"),
        (aggregate, "54001"),
        (many, "54000"),
    ];
    for (text, code) in texts {
        let error = ModuleSource::new("m.proto", text).plan().unwrap_err();
        assert_eq!(error.sqlstate(), code, "{error}");
    }
}
