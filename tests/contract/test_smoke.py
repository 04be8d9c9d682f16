def test_a_grant_is_the_balance(store):
    store.add_credits("u", 50_000, type="seed")
    assert str(store.get_balance("u").balance) == "50000"
